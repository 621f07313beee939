// A token that was enough is so no longer: the call is answered 403 with the scopes to ask for, the person consents to them, and the same
// call goes through.

import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { TYPESCRIPT_CLIENTS } from '../../sdk/clients.mjs';
import { register, signIn } from '../clients.mjs';
import { Person } from '../person.mjs';
import { byJwt, inWorld } from '../world.mjs';

const BOTH = ['mcp:use', 'mcp:more'];
// Registered beforehand: a client that an SDK registers may never ask for more than its first scopes. And without refresh tokens: SDK 1.x
// tries one before it asks the person, and gives up when that brings no more scopes.
const GRANTS = ['authorization_code'];

const metadataOf = async (url) => (await fetch(new URL('/.well-known/oauth-protected-resource/mcp', url))).json();

/** Every call needs another scope from now on. */
async function demandMore(gateway, issuer) {
  gateway.reload({ auth: { ...byJwt(issuer), scopes: BOTH } });
  while ((await metadataOf(gateway.url)).scopes_supported.length < BOTH.length);
}

function checkChallenge(exchanges, gateway) {
  const refused = exchanges.filter(({ status }) => status === 403);
  assert.ok(refused.length > 0);
  const metadata = `${new URL(gateway.url).origin}/.well-known/oauth-protected-resource/mcp`;
  const named = `error="insufficient_scope", error_description="The token lacks a scope", resource_metadata="${metadata}", scope="mcp:use mcp:more"`;
  for (const { challenge } of refused) assert.equal(challenge, `Bearer ${named}`);
}

const stepsUp = (kind) => () => inWorld({ authOf: byJwt }, async ({ issuer, gateway }) => {
  const client = await register(issuer.issuer, GRANTS);
  const { session, login, exchanges, signedIn } = await signIn(kind, gateway.url, new Person('alice'), { client });
  await session.callTool('test_simple_text');
  assert.equal(decodeJwt(login.kept.access_token).scope, 'mcp:use');
  await demandMore(gateway, issuer);
  const { content } = await signedIn(() => session.callTool('test_simple_text'));
  assert.equal(content.length, 1);
  await session.close();
  assert.deepEqual(decodeJwt(login.kept.access_token).scope.split(' ').sort(), [...BOTH].sort());
  checkChallenge(exchanges, gateway);
});

export const STEP_UP = Object.fromEntries(
  TYPESCRIPT_CLIENTS.map((kind) => [`${kind} steps up to the scopes that a call needs`, stepsUp(kind)]),
);
