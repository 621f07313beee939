// The public TypeScript clients, signing in: each starts without a token and does all that the SDK does by itself. What is done here is
// only what an application must: keep what the SDK hands over, open a browser, and connect again with the code.

import { UnauthorizedError as UnauthorizedV2 } from '@modelcontextprotocol/client';
import { UnauthorizedError as UnauthorizedV1 } from '@modelcontextprotocol/sdk/client/auth.js';
import { open } from '../sdk/clients.mjs';

const CALLBACK = 'http://127.0.0.1:9/callback';

const clientMetadata = (grants) => ({
  client_name: 'myelin-tests',
  application_type: 'native',
  redirect_uris: [CALLBACK],
  grant_types: grants,
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
});

/** Registers a client with these grants and no narrower scope, as an operator does. @returns what its login starts with. */
export async function register(issuer, grants) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${issuer}/reg`, { method: 'POST', headers, body: JSON.stringify(clientMetadata(grants)) });
  return { ...await response.json(), issuer };
}

/** An OAuthClientProvider of both SDKs that keeps everything in memory. */
class Login {
  redirectUrl = CALLBACK;
  clientMetadata = clientMetadata(['authorization_code', 'refresh_token']);
  #state = crypto.randomUUID();

  constructor(person, client) {
    Object.assign(this, { person, client });
  }

  state = () => this.#state;
  clientInformation = () => this.client;
  saveClientInformation = (client) => { this.client = client; };
  tokens = () => this.kept;
  saveTokens = (tokens) => { this.kept = tokens; };
  codeVerifier = () => this.verifier;
  saveCodeVerifier = (verifier) => { this.verifier = verifier; };
  invalidateCredentials = (what) => {
    if (what === 'all' || what === 'tokens') this.kept = undefined;
    if (what === 'all' || what === 'client') this.client = undefined;
  };
  discoveryState = () => this.discovered;
  saveDiscoveryState = (state) => { this.discovered = state; };
  redirectToAuthorization = async (url) => { this.callback = await this.person.visit(url); };

  /** @returns the parameters with which the browser came back. */
  returned() {
    const params = this.callback.searchParams;
    if (params.get('state') !== this.#state) throw new Error(`the browser came back with ${this.callback}`);
    return params;
  }
}

const needsCode = (error) => error instanceof UnauthorizedV1 || error instanceof UnauthorizedV2;

/** Sends requests and keeps what was asked and answered: {method, url, token, status, challenge}. */
const recorded = (exchanges) => async (input, init) => {
  const response = await fetch(input, init);
  const token = new Headers(init?.headers).get('authorization')?.replace(/^Bearer /, '');
  const challenge = response.headers.get('www-authenticate');
  exchanges.push({ method: init?.method ?? 'GET', url: String(input), token, status: response.status, challenge });
  return response;
};

/**
 * Connects a client of `kind` as `person`; `client` is what `register` returned, if it is registered already.
 * @returns {session, login, exchanges, signedIn}; signedIn repeats work after the person was asked again.
 */
export async function signIn(kind, url, person, { client, ...settings } = {}) {
  const login = new Login(person, client);
  const exchanges = [];
  const finish = (transport) => transport.finishAuth(kind === 'ts1' ? login.returned().get('code') : login.returned());
  const http = { authProvider: login, fetch: recorded(exchanges) };
  const again = async (error, transport) => {
    if (!needsCode(error)) throw error;
    await finish(transport);
  };
  const session = await open(kind, url, { ...settings, http, again });
  const signedIn = (work) => work().catch(async (error) => {
    await again(error, session.transport);
    return work();
  });
  return { session, login, exchanges, signedIn };
}
