// The authorization server changes its signing key while clients call without pause: no request with a valid token fails, and what the old
// key signed is refused when the times are over for which the gateway may remember.

import assert from 'node:assert/strict';
import { decodeProtectedHeader } from 'jose';
import { TYPESCRIPT_CLIENTS } from '../../sdk/clients.mjs';
import { signIn } from '../clients.mjs';
import { Person } from '../person.mjs';
import { bearer, modern } from '../raw.mjs';
import { byJwt, inWorld } from '../world.mjs';

const LIFETIME_S = 3;
const KEYS_TTL_MS = 1000;
const REMEMBER_MS = 500;
/** The gateway asks for keys no more often than that. */
const FLOOR_MS = 1000;
/** For a machine that is busy with other checks. */
const SLACK_MS = 2000;

const quick = { keysTtl: `${KEYS_TTL_MS}ms`, rememberFor: `${REMEMBER_MS}ms` };
const authOf = (issuer) => ({
  issuers: [{ issuer: issuer.issuer, keysTtl: quick.keysTtl }], scopes: ['mcp:use'], clockSkew: '0s', rememberFor: quick.rememberFor,
});

/** Does `work` again and again. @returns {until, stop}; both throw what the work threw. */
function repeatedly(work) {
  let goesOn = true;
  let times = 0;
  const ended = (async () => {
    while (goesOn) {
      await work();
      times += 1;
    }
  })();
  ended.catch(() => undefined);
  const stop = async () => {
    goesOn = false;
    await ended;
    return times;
  };
  /** Waits until `condition` holds after one of the times. */
  const until = async (condition) => {
    while (!condition()) await Promise.race([ended, new Promise((next) => { setImmediate(next); })]);
  };
  return { stop, until };
}

const kidOf = (token) => decodeProtectedHeader(token).kid;

async function startClient(kind, url) {
  const { session, login } = await signIn(kind, url, new Person(`user-of-${kind}`));
  const calls = repeatedly(() => session.callTool('test_simple_text'));
  const signedBy = (kid) => calls.until(() => kidOf(login.kept.access_token) === kid);
  return { kind, signedBy, stop: async () => { const times = await calls.stop(); await session.close(); return times; } };
}

const statusOf = async (gateway, token) => (await modern(gateway.url, bearer(token))).status;

async function untilRefused(gateway, token) {
  const start = performance.now();
  while (await statusOf(gateway, token) !== 401) {
    assert.ok(performance.now() - start < KEYS_TTL_MS + REMEMBER_MS + FLOOR_MS + SLACK_MS, 'a withdrawn key holds for too long');
  }
}

async function rotates({ issuer, gateway }) {
  // Its tokens end within the check, and those of the agent do not.
  issuer.setTokenLifetime(300);
  const ofFirst = await issuer.agentToken(gateway.url);
  issuer.setTokenLifetime(LIFETIME_S);
  const clients = await Promise.all(TYPESCRIPT_CLIENTS.map((kind) => startClient(kind, gateway.url)));
  const bystander = repeatedly(async () => assert.equal(await statusOf(gateway, ofFirst), 200));
  await issuer.addKey('second');
  const ofSecond = await issuer.agentToken(gateway.url);
  assert.deepEqual([kidOf(ofFirst), kidOf(ofSecond)], ['first', 'second']);
  assert.equal(await statusOf(gateway, ofSecond), 200, 'a token of the new key, the first time that it is seen');
  for (const client of clients) await client.signedBy('second');
  const held = await bystander.stop();
  const first = issuer.withdrawKey('first');
  await untilRefused(gateway, ofFirst);
  const { iss, aud, ...claims } = { iss: issuer.issuer, aud: gateway.url, sub: 'mallory', scope: 'mcp:use' };
  const exp = Math.floor(Date.now() / 1000) + 60;
  assert.equal(await statusOf(gateway, await issuer.sign({ iss, aud, exp, ...claims }, { key: first })), 401, 'a token of the withdrawn key');
  const times = await Promise.all(clients.map((client) => client.stop()));
  assert.ok(held > 10 && times.every((count) => count > 10), `${held} and ${times}`);
  console.log(`    ${held + times.reduce((sum, count) => sum + count)} calls during the change of keys, none failed`);
}

async function refusesAfterSilence({ issuer, gateway }) {
  const token = await issuer.agentToken(gateway.url);
  assert.equal(await statusOf(gateway, token), 200);
  await issuer.addKey('second');
  issuer.withdrawKey('first');
  // Nothing happens until all times are over; then the very first request is refused.
  await new Promise((over) => { setTimeout(over, KEYS_TTL_MS + REMEMBER_MS + FLOOR_MS); });
  assert.equal(await statusOf(gateway, token), 401);
}

export const ROTATION = {
  'no call fails while the signing key changes, and the old key ends': () => inWorld({ authOf }, rotates),
  'a withdrawn key is not taken after a silence': () => inWorld({ authOf }, refusesAfterSilence),
};
