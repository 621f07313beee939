// A real authorization server, on loopback: npm `oidc-provider`, which is OpenID certified. It has dynamic client registration, PKCE for
// everybody, resource indicators, refresh tokens, introspection and revocation, and its own login and consent pages.
//
// Its keys can be changed while it runs: a server with the new keys takes the place of the old one behind the same port and store.

import { createServer } from 'node:http';
import { SignJWT, exportJWK, generateKeyPair, importJWK } from 'jose';
import Provider from 'oidc-provider';
import { Store } from './store.mjs';

/** A client of the authorization server that may introspect: the gateway. */
export const GATEWAY_CLIENT = { id: 'gateway', secret: 'the-secret-of-the-gateway-at-its-issuer' };
/** A client that gets tokens for itself, without a person. */
export const AGENT_CLIENT = { id: 'agent', secret: 'the-secret-of-an-agent-at-its-issuer' };

const SCOPES = ['mcp:use', 'mcp:more'];
const TOKEN_LIFETIME_S = 300;

// It reminds its operator of what a server for the world needs, on the console.
for (const level of ['info', 'warn']) {
  const print = console[level];
  console[level] = (...parts) => { if (!String(parts[0]).startsWith('oidc-provider ')) print(...parts); };
}

async function makeKey(kid, alg = 'ES256') {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...await exportJWK(privateKey), kid, alg, use: 'sig' };
}

const machine = ({ id, secret }) => ({
  client_id: id, client_secret: secret, grant_types: ['client_credentials'], response_types: [], redirect_uris: [],
});

export class AuthorizationServer {
  #http;
  #handle;
  #store = new Store();
  #cookieKey = crypto.randomUUID();
  #settings;

  /** What was asked of it: {route, status, params, body}. */
  asked = [];

  /** `format` is that of its access tokens: jwt or opaque. */
  static async start({ format = 'jwt', tokenLifetimeS = TOKEN_LIFETIME_S } = {}) {
    const server = new AuthorizationServer();
    server.#settings = { format, tokenLifetimeS };
    server.#http = createServer((req, res) => server.#handle(req, res));
    await new Promise((listens) => { server.#http.listen(0, '127.0.0.1', listens); });
    server.issuer = `http://127.0.0.1:${server.#http.address().port}`;
    server.keys = [await makeKey('first'), await makeKey('rsa', 'RS256')];
    server.#serve();
    return server;
  }

  #serve() {
    const provider = new Provider(this.issuer, this.#configuration());
    provider.use(async (ctx, next) => {
      await next();
      const { route, params, body } = ctx.oidc ?? {};
      this.asked.push({ route, path: ctx.path, status: ctx.status, params: { ...params }, body: { ...body } });
    });
    // What goes wrong is told to the client as `server_error`, and to the reader of the tests here.
    provider.on('server_error', (_ctx, error) => console.log(`  authorization server: ${error.stack}`));
    this.#handle = provider.callback();
  }

  #configuration() {
    const { format, tokenLifetimeS } = this.#settings;
    const resourceServer = (resource) => ({
      audience: resource, scope: SCOPES.join(' '), accessTokenTTL: tokenLifetimeS, accessTokenFormat: format, jwt: { sign: { alg: 'ES256' } },
    });
    return {
      adapter: this.#store.adapter,
      clients: [machine(GATEWAY_CLIENT), machine(AGENT_CLIENT)],
      clientDefaults: { id_token_signed_response_alg: 'ES256' },
      cookies: { keys: [this.#cookieKey] },
      jwks: { keys: this.keys },
      scopes: ['openid', 'offline_access', ...SCOPES],
      claims: { openid: ['sub'] },
      findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
      extraTokenClaims: (_ctx, token) => (token.accountId === undefined ? {} : { groups: [`friends-of-${token.accountId}`] }),
      issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
      pkce: { required: () => true },
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: true },
        introspection: { enabled: true },
        registration: { enabled: true },
        revocation: { enabled: true },
        resourceIndicators: { enabled: true, useGrantedResource: () => true, getResourceServerInfo: (_ctx, resource) => resourceServer(resource) },
      },
    };
  }

  /** Signs with a new key from now on; the others stay published. */
  async addKey(kid) {
    this.keys = [await makeKey(kid), ...this.keys];
    this.#serve();
  }

  /** Publishes a key no more. @returns the key. */
  withdrawKey(kid) {
    const withdrawn = this.keys.find((key) => key.kid === kid);
    this.keys = this.keys.filter((key) => key !== withdrawn);
    this.#serve();
    return withdrawn;
  }

  /** Access tokens that are issued from now on live so long. */
  setTokenLifetime(seconds) {
    this.#settings.tokenLifetimeS = seconds;
    this.#serve();
  }

  /** @returns how often a route was asked. */
  count = (route) => this.asked.filter((request) => request.route === route).length;

  /** Asks the token endpoint or one beside it, as a client with a secret. */
  async #post(path, client, form) {
    const authorization = `Basic ${btoa(`${client.id}:${client.secret}`)}`;
    const response = await fetch(`${this.issuer}${path}`, { method: 'POST', headers: { authorization }, body: new URLSearchParams(form) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return text === '' ? {} : JSON.parse(text);
  }

  /** @returns a token that the agent gets for itself. */
  async agentToken(resource, scope = 'mcp:use') {
    const form = { grant_type: 'client_credentials', resource, scope };
    return (await this.#post('/token', AGENT_CLIENT, form)).access_token;
  }

  revoke = (token) => this.#post('/token/revocation', AGENT_CLIENT, { token });

  /** @returns a token signed by `key`, one of its own unless a test means another; a claim or header that is undefined is left out. */
  async sign(claims, { key = this.keys[0], header = {} } = {}) {
    const protectedHeader = JSON.parse(JSON.stringify({ alg: key.alg, kid: key.kid, typ: 'at+jwt', ...header }));
    return new SignJWT(JSON.parse(JSON.stringify(claims))).setProtectedHeader(protectedHeader).sign(await importJWK(key, key.alg));
  }

  async stop() {
    this.#http.closeAllConnections();
    await new Promise((closed) => { this.#http.close(closed); });
  }
}
