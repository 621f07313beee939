// A real authorization server, on loopback: npm `oidc-provider`, which is OpenID certified. It has dynamic client registration, PKCE for
// everybody, resource indicators, refresh tokens, introspection and revocation, and its own login and consent pages.
//
// Its keys can be changed while it runs: a server with the new keys takes the place of the old one behind the same port and store.

import { createServer } from 'node:http';
import { SignJWT, createLocalJWKSet, exportJWK, generateKeyPair, importJWK, jwtVerify } from 'jose';
import Provider from 'oidc-provider';
import { Store } from './store.mjs';

/** A client of the authorization server that may introspect: the gateway. */
export const GATEWAY_CLIENT = { id: 'gateway', secret: 'the-secret-of-the-gateway-at-its-issuer' };
/** A client that gets tokens for itself, without a person. */
export const AGENT_CLIENT = { id: 'agent', secret: 'the-secret-of-an-agent-at-its-issuer' };

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const SCOPES = ['mcp:use', 'mcp:more'];
const TOKEN_LIFETIME_S = 300;

async function makeKey(kid, alg = 'ES256') {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...await exportJWK(privateKey), kid, alg, use: 'sig' };
}

const publicPart = ({ d, p, q, dp, dq, qi, ...rest }) => rest;

const machine = ({ id, secret }) => ({
  client_id: id, client_secret: secret, grant_types: ['client_credentials', EXCHANGE], response_types: [], redirect_uris: [],
});

/** RFC 8693, which oidc-provider leaves to its operator: a token for the same person at another resource. */
const exchangeBy = (server, provider, resourceServer) => async (ctx) => {
  const { subject_token: token, subject_token_type: type, resource: named, scope } = ctx.oidc.params;
  const resources = [named].flat();
  const refuse = (error, description) => Object.assign(ctx, { status: 400, body: { error, error_description: description } });
  if (type !== ACCESS_TOKEN || resources.length !== 1) return refuse('invalid_request', 'a token and one resource are needed');
  const [resource] = resources;
  const keys = createLocalJWKSet({ keys: server.keys.map(publicPart) });
  const verified = await jwtVerify(token, keys, { issuer: server.issuer, typ: 'at+jwt' }).catch(() => undefined);
  if (verified === undefined) return refuse('invalid_request', 'the subject token is not valid');
  const accessToken = new provider.AccessToken({ client: ctx.oidc.client, accountId: verified.payload.sub, gty: 'token_exchange', scope });
  accessToken.resourceServer = new provider.ResourceServer(resource, resourceServer(resource));
  ctx.oidc.entity('AccessToken', accessToken);
  ctx.body = {
    access_token: await accessToken.save(), issued_token_type: ACCESS_TOKEN, token_type: 'Bearer', expires_in: accessToken.expiration, scope,
  };
};

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

  #resourceServer = (resource) => {
    const { format, tokenLifetimeS } = this.#settings;
    return {
      audience: resource, scope: SCOPES.join(' '), accessTokenTTL: tokenLifetimeS, accessTokenFormat: format, jwt: { sign: { alg: 'ES256' } },
    };
  };

  #serve() {
    const provider = new Provider(this.issuer, this.#configuration());
    const parameters = ['subject_token', 'subject_token_type', 'requested_token_type', 'resource', 'audience', 'scope'];
    provider.registerGrantType(EXCHANGE, exchangeBy(this, provider, this.#resourceServer), parameters);
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
        resourceIndicators: { enabled: true, useGrantedResource: () => true, getResourceServerInfo: (_ctx, resource) => this.#resourceServer(resource) },
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

  /** It is there, and answers nothing that is of use to anybody, until it comes back. */
  goAway() {
    this.#handle = (_req, res) => res.writeHead(500).end();
  }

  comeBack() {
    this.#serve();
  }

  /** @returns how often a route was asked. */
  count = (route) => this.asked.filter((request) => request.route === route).length;

  /** Asks the token endpoint or one beside it, as a client with a secret or without. */
  async #post(path, { id, secret }, form) {
    const headers = secret === undefined ? {} : { authorization: `Basic ${btoa(`${id}:${secret}`)}` };
    const body = new URLSearchParams({ ...form, client_id: id });
    const response = await fetch(`${this.issuer}${path}`, { method: 'POST', headers, body });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return text === '' ? {} : JSON.parse(text);
  }

  /** @returns a token that the agent gets for itself. */
  async agentToken(resource, scope = 'mcp:use') {
    const form = { grant_type: 'client_credentials', resource, scope };
    return (await this.#post('/token', AGENT_CLIENT, form)).access_token;
  }

  /** Revokes a token of the agent, or of the client with that id. */
  revoke = (token, id) => this.#post('/token/revocation', id === undefined ? AGENT_CLIENT : { id }, { token });

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
