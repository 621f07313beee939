// Streams that stand while the token that opened them ends.

import assert from 'node:assert/strict';
import { signIn } from '../clients.mjs';
import { Person } from '../person.mjs';
import { bearer, modern } from '../raw.mjs';
import { byJwt, inWorld } from '../world.mjs';

const LIFETIME_S = 2;
/** For a machine that is busy with other checks. */
const SLACK_MS = 3000;
const LEGACY_KINDS = ['ts1', 'ts2-legacy'];

const authOf = (issuer) => ({ ...byJwt(issuer), clockSkew: '0s' });
const shortLived = (era) => ({ era, issuer: { tokenLifetimeS: LIFETIME_S }, authOf });

const soon = () => new Promise((next) => { setTimeout(next, 20); });

/** A client that is silent has its stream ended with its token, gets another one, and takes the stream up again. */
const reconnects = (kind) => () => inWorld(shortLived('legacy'), async ({ gateway }) => {
  const notices = [];
  const settings = { onNotice: (method) => notices.push(method) };
  const { session, exchanges } = await signIn(kind, gateway.url, new Person('alice'), settings);
  const streams = () => exchanges.filter(({ method, url, status }) => method === 'GET' && url === gateway.url && status === 200);
  while (new Set(streams().map(({ token }) => token)).size < 2) await soon();
  await session.callTool('test_trigger_tool_change');
  while (!notices.includes('notifications/tools/list_changed')) await soon();
  await session.close();
});

/** A modern client listens with a request: it ends with the token as well. */
const ends = () => inWorld(shortLived('modern'), async ({ issuer, gateway }) => {
  const token = await issuer.agentToken(gateway.url);
  const start = performance.now();
  const listening = await modern(gateway.url, bearer(token), 'subscriptions/listen', { notifications: { toolsListChanged: true } });
  const stood = performance.now() - start;
  assert.equal(listening.status, 200);
  assert.match(listening.body, /"resultType":"complete"/, 'it ends in order');
  assert.ok(stood > (LIFETIME_S - 1) * 1000 - 500 && stood < LIFETIME_S * 1000 + SLACK_MS, `the stream stood ${stood} ms`);
  const again = await modern(gateway.url, bearer(token), 'subscriptions/listen', { notifications: { toolsListChanged: true } });
  assert.equal(again.status, 401);
});

export const STREAMS = {
  ...Object.fromEntries(LEGACY_KINDS.map((kind) => [`${kind} takes up its stream with a new token when the old one ends`, reconnects(kind)])),
  'a stream of notices ends with the token that opened it': ends,
};
