// A client that has nothing but the address of the gateway signs in, step by step as the specification has it, and calls a tool.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { PYTHON, TESTS } from '../../peers/processes.mjs';
import { TYPESCRIPT_CLIENTS } from '../../sdk/clients.mjs';
import { PYTHON_CLIENTS } from '../../sdk/python.mjs';
import { signIn } from '../clients.mjs';
import { Person } from '../person.mjs';
import { byJwt, inWorld } from '../world.mjs';

const TEXT = 'This is a simple text response for testing.';

/** The steps up to the token, as the client saw them. */
function checkSteps(exchanges, gateway, issuer) {
  const [first, metadata] = exchanges;
  const origin = new URL(gateway.url).origin;
  const document = `${origin}/.well-known/oauth-protected-resource/mcp`;
  assert.equal(first.url, gateway.url);
  assert.equal(first.token, undefined, 'the first request has no token');
  assert.equal(first.status, 401);
  assert.equal(first.challenge, `Bearer resource_metadata="${document}", scope="mcp:use"`);
  assert.deepEqual([metadata.url, metadata.status], [document, 200]);
  const asked = exchanges.filter(({ url }) => url.startsWith(issuer.issuer)).map(({ url }) => new URL(url).pathname);
  assert.deepEqual(asked, ['/.well-known/oauth-authorization-server', '/reg', '/token']);
  const unauthorized = exchanges.filter(({ status }) => status === 401);
  assert.equal(unauthorized.length, 1, 'the token holds from the first time on');
}

/** The same steps, as the authorization server saw them. */
function checkGrant(issuer, gateway) {
  const authorization = issuer.asked.find(({ route, params }) => route === 'authorization' && params.code_challenge !== undefined);
  assert.equal(authorization.params.code_challenge_method, 'S256');
  assert.equal(authorization.params.resource, gateway.url);
  const token = issuer.asked.find(({ route }) => route === 'token');
  assert.equal(token.status, 200);
  assert.equal(token.body.resource, gateway.url);
  assert.ok(token.body.code_verifier.length >= 43);
}

function checkToken(token, gateway, issuer) {
  const claims = decodeJwt(token);
  assert.equal(decodeProtectedHeader(token).typ, 'at+jwt');
  assert.equal(claims.aud, gateway.url, 'the token is for the gateway and for nobody else');
  assert.equal(claims.iss, issuer.issuer);
  assert.equal(claims.sub, 'alice');
}

/** Nothing of the sign-in reaches the server, in no header and no body. */
export function checkUpstream({ seen }, tokens) {
  const everything = JSON.stringify(seen);
  assert.ok(seen.length > 0);
  assert.ok(tokens.every((token) => token.length > 20 && !everything.includes(token)), 'a token reached the server');
  assert.ok(!/"authorization"/i.test(everything), 'a credential reached the server');
}

const signsIn = (kind, era) => () => inWorld({ era, authOf: byJwt }, async ({ issuer, upstream, gateway }) => {
  const { session, login, exchanges } = await signIn(kind, gateway.url, new Person('alice'));
  const tools = await session.listTools();
  assert.ok(tools.some(({ name }) => name === 'test_simple_text'));
  const { content } = await session.callTool('test_simple_text');
  assert.equal(content[0].text, TEXT);
  await session.close();
  checkSteps(exchanges, gateway, issuer);
  checkGrant(issuer, gateway);
  checkToken(login.kept.access_token, gateway, issuer);
  checkUpstream(upstream, [login.kept.access_token, login.kept.refresh_token]);
});

/** Runs the Python client, which calls until its token was refreshed so often. @returns {tools, text, tokens}. */
export async function drivePythonLogin(url, mode, refreshes = 0) {
  const browser = await new Person('alice').listen();
  try {
    const script = join(TESTS, 'oauth/python_client.py');
    const { stdout } = await promisify(execFile)(PYTHON, [script, url, mode, browser.url, String(refreshes)]);
    return JSON.parse(stdout);
  } finally {
    await browser.stop();
  }
}

const pythonSignsIn = (mode, era) => () => inWorld({ era, authOf: byJwt }, async ({ issuer, upstream, gateway }) => {
  const { tools, text, tokens } = await drivePythonLogin(gateway.url, mode);
  assert.ok(tools.includes('test_simple_text'));
  assert.equal(text, TEXT);
  checkGrant(issuer, gateway);
  checkToken(tokens.access_token, gateway, issuer);
  checkUpstream(upstream, [tokens.access_token, tokens.refresh_token]);
});

const CLIENTS = [
  ...TYPESCRIPT_CLIENTS.map((kind) => ({ kind, check: (era) => signsIn(kind, era) })),
  ...PYTHON_CLIENTS.map(({ name, mode }) => ({ kind: name, check: (era) => pythonSignsIn(mode, era) })),
];

export const FLOW = Object.fromEntries(CLIENTS.flatMap(({ kind, check }) => ['modern', 'legacy'].map(
  (era) => [`${kind} signs in with nothing but the address, in front of a ${era} server`, check(era)],
)));
