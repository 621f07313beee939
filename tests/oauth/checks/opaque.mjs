// Tokens that say nothing by themselves: the gateway asks the authorization server about them, and hears of it when one is revoked.

import assert from 'node:assert/strict';
import { GATEWAY_CLIENT } from '../authorization-server.mjs';
import { signIn } from '../clients.mjs';
import { Person } from '../person.mjs';
import { bearer, modern } from '../raw.mjs';
import { inWorld } from '../world.mjs';
import { checkUpstream } from './flow.mjs';

const REMEMBER_MS = 1000;
/** For a machine that is busy with other checks. */
const SLACK_MS = 2000;
const KINDS = ['ts1', 'ts2-auto', 'ts2-modern'];

const byIntrospection = ({ issuer }) => ({
  introspection: [{ url: `${issuer}/token/introspection`, clientId: GATEWAY_CLIENT.id, clientSecret: GATEWAY_CLIENT.secret, issuer }],
  scopes: ['mcp:use'],
  rememberFor: `${REMEMBER_MS}ms`,
});
const opaque = { issuer: { format: 'opaque' }, authOf: byIntrospection };

const statusOf = async (gateway, token) => (await modern(gateway.url, bearer(token))).status;

/** @returns how long the gateway still took the token, in milliseconds. */
async function heldFor(gateway, token) {
  const start = performance.now();
  while (await statusOf(gateway, token) !== 401) {
    assert.ok(performance.now() - start < REMEMBER_MS + SLACK_MS, 'a revoked token holds for too long');
  }
  return performance.now() - start;
}

const signsIn = (kind) => () => inWorld(opaque, async ({ issuer, upstream, gateway }) => {
  const { session, login, signedIn } = await signIn(kind, gateway.url, new Person('alice'));
  const first = login.kept.access_token;
  assert.ok(!first.includes('.'), 'the token is opaque');
  await session.callTool('test_simple_text');
  await issuer.revoke(first, login.client.client_id);
  // With it ends the grant: the client is refused, asks the person again, and goes on.
  while (login.kept?.access_token === first) await signedIn(() => session.callTool('test_simple_text'));
  assert.equal((await session.callTool('test_simple_text')).content.length, 1);
  await session.close();
  checkUpstream(upstream, [first, login.kept.access_token]);
});

const revoked = () => inWorld(opaque, async ({ issuer, gateway }) => {
  const [token, kept] = [await issuer.agentToken(gateway.url), await issuer.agentToken(gateway.url)];
  assert.deepEqual([await statusOf(gateway, token), await statusOf(gateway, kept)], [200, 200]);
  const asked = issuer.count('introspection');
  assert.equal(asked, 2);
  const again = await Promise.all(Array.from({ length: 20 }, () => statusOf(gateway, token)));
  assert.ok(again.every((status) => status === 200));
  assert.ok(issuer.count('introspection') <= asked + 1, 'what was said is remembered');
  await issuer.revoke(token);
  console.log(`    a revoked token was taken for ${Math.round(await heldFor(gateway, token))} ms`);
  assert.equal(await statusOf(gateway, kept), 200, 'and no other is refused');
});

const refused = () => inWorld(opaque, async ({ issuer, gateway }) => {
  const valid = await modern(gateway.url, bearer(await issuer.agentToken(gateway.url)));
  assert.equal(valid.status, 200);
  const rows = {
    'for another resource': await issuer.agentToken(`${gateway.url}-other`),
    'made up': 'nobody-ever-issued-this-token',
    'in the form of a JWT': await issuer.sign({ iss: issuer.issuer, aud: gateway.url, sub: 'mallory', exp: 4e9, scope: 'mcp:use' }),
  };
  const answers = await Promise.all(Object.values(rows).map((token) => modern(gateway.url, bearer(token), 'tools/call', { name: 'x' })));
  for (const [index, what] of Object.keys(rows).entries()) assert.equal(answers[index].status, 401, what);
  assert.equal(new Set(answers.map(({ body, challenge }) => body + challenge)).size, 1, 'the sender does not hear why');
  const lacking = await modern(gateway.url, bearer(await issuer.agentToken(gateway.url, 'mcp:more')));
  assert.equal(lacking.status, 403);
  assert.match(lacking.challenge, /^Bearer error="insufficient_scope", .*scope="mcp:use"$/);
});

const away = () => inWorld(opaque, async ({ issuer, gateway }) => {
  const [known, unknown] = [await issuer.agentToken(gateway.url), await issuer.agentToken(gateway.url)];
  assert.equal(await statusOf(gateway, known), 200);
  issuer.goAway();
  const answer = await modern(gateway.url, bearer(unknown));
  assert.deepEqual([answer.status, answer.challenge], [503, undefined], 'a token that may be good is not thrown away');
  issuer.comeBack();
  while (await statusOf(gateway, unknown) === 503);
  assert.equal(await statusOf(gateway, unknown), 200);
});

export const OPAQUE = {
  ...Object.fromEntries(KINDS.map((kind) => [`${kind} signs in with opaque tokens, and asks again when its token is revoked`, signsIn(kind)])),
  'a revoked token is refused when the gateway asks again': revoked,
  'opaque tokens of somebody or something else are refused': refused,
  'a token that nobody can be asked about is neither taken nor thrown away': away,
};
