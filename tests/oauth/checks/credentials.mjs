// The gateway as a client of a protected server: what the server gets is a token that was made for it, and never the caller's own.

import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { GATEWAY_CLIENT } from '../authorization-server.mjs';
import { signIn } from '../clients.mjs';
import { Person } from '../person.mjs';
import { byJwt, inWorld } from '../world.mjs';

const KINDS = ['ts1', 'ts2-modern'];
const ERAS = ['modern', 'legacy'];
const CALL = 'test_simple_text';

const asClient = ({ issuer }) => ({ issuer, clientId: GATEWAY_CLIENT.id, clientSecret: GATEWAY_CLIENT.secret, scopes: ['mcp:use'] });
const byClientCredentials = { authOf: byJwt, serverOf: (issuer) => ({ auth: { clientCredentials: asClient(issuer) } }) };
const byTokenExchange = { authOf: byJwt, serverOf: (issuer) => ({ auth: { tokenExchange: asClient(issuer) } }) };
const byAssertion = { authOf: byJwt, serverOf: () => ({ auth: { assertion: { claims: { team: 'research' } } } }) };
const byPassthrough = { authOf: byJwt, serverOf: () => ({ auth: 'passthrough' }) };

const guardByIssuer = (upstream, { issuer }, audience) => upstream.guard({ issuer, keys: `${issuer}/jwks`, audience });

/** The tokens that reached the server. */
const tokensAt = ({ seen }) => new Set(seen.flatMap(({ headers }) => headers).flatMap((text) => /^Bearer (\S+)$/.exec(text)?.[1] ?? []));

/** Everybody's calls go through, in both eras. @returns the clients' tokens. */
async function everybodyCalls(gateway, names) {
  const tokens = [];
  for (const kind of KINDS) {
    const clients = await Promise.all(names.map((name) => signIn(kind, gateway.url, new Person(name))));
    const answers = await Promise.all(clients.map(({ session }) => session.callTool(CALL)));
    assert.ok(answers.every(({ content }) => content.length === 1));
    await Promise.all(clients.map(({ session }) => session.close()));
    tokens.push(...clients.map(({ login }) => login.kept.access_token));
  }
  return tokens;
}

function checkApart(upstream, tokens) {
  const everything = JSON.stringify(upstream.seen);
  assert.ok(tokens.length > 0 && tokens.every((token) => !everything.includes(token)), "a caller's token reached the server");
}

const machine = (era) => () => inWorld({ ...byClientCredentials, era }, async ({ issuer, upstream, gateway }) => {
  guardByIssuer(upstream, issuer);
  checkApart(upstream, await everybodyCalls(gateway, ['alice', 'bob']));
  assert.ok(upstream.claims.length > 0);
  for (const claims of upstream.claims) assert.deepEqual([claims.aud, claims.client_id, claims.scope], [upstream.url, GATEWAY_CLIENT.id, 'mcp:use']);
  const grants = issuer.asked.filter(({ body }) => body.grant_type === 'client_credentials');
  assert.equal(grants.length, 1, 'one token does for everybody');
});

const renews = () => inWorld({ ...byClientCredentials, issuer: { tokenLifetimeS: 2 } }, async ({ issuer, upstream, gateway }) => {
  guardByIssuer(upstream, issuer);
  const { session } = await signIn('ts2-modern', gateway.url, new Person('alice'));
  let calls = 0;
  while (tokensAt(upstream).size < 4) {
    await session.callTool(CALL);
    calls += 1;
  }
  await session.close();
  // A token is replaced before it ends, so that the server never sees one that has.
  assert.ok(calls > 10 && upstream.refused === 0, `${upstream.refused} of ${calls} calls were refused`);
});

const replaces = () => inWorld(byClientCredentials, async ({ issuer, upstream, gateway }) => {
  guardByIssuer(upstream, issuer);
  const { session } = await signIn('ts2-modern', gateway.url, new Person('alice'));
  await session.callTool(CALL);
  // The server stops to take what the gateway has; the client's own token is not looked at again within the check.
  await issuer.addKey('second');
  issuer.withdrawKey('first');
  const refused = upstream.refused;
  const answers = await Promise.all(Array.from({ length: 8 }, () => session.callTool(CALL)));
  assert.ok(answers.every(({ content }) => content.length === 1));
  assert.ok(upstream.refused > refused, 'the server refused the old token');
  const grants = issuer.asked.filter(({ body }) => body.grant_type === 'client_credentials');
  assert.equal(grants.length, 2, 'one token replaces it, however many calls were refused');
  await session.close();
});

const exchanged = (era) => () => inWorld({ ...byTokenExchange, era }, async ({ issuer, upstream, gateway }) => {
  guardByIssuer(upstream, issuer);
  const names = ['alice', 'bob'];
  checkApart(upstream, await everybodyCalls(gateway, names));
  for (const { aud, client_id: client } of upstream.claims) assert.deepEqual([aud, client], [upstream.url, GATEWAY_CLIENT.id]);
  assert.deepEqual([...new Set(upstream.claims.map(({ sub }) => sub))].sort(), names);
});

const asserted = (era) => () => inWorld({ ...byAssertion, era }, async ({ issuer, upstream, gateway }) => {
  const { origin } = new URL(gateway.url);
  upstream.guard({ issuer: origin, keys: `${origin}/.well-known/jwks.json` });
  checkApart(upstream, await everybodyCalls(gateway, ['alice', 'bob']));
  const subjects = new Set(upstream.claims.map(({ sub }) => sub));
  assert.deepEqual([...subjects].sort(), [`${issuer.issuer}|alice`, `${issuer.issuer}|bob`]);
  for (const { team, groups, sub, jti, exp, iat } of upstream.claims) {
    const name = sub.split('|')[1];
    assert.deepEqual([team, groups, exp - iat <= 300], ['research', [`friends-of-${name}`], true]);
    assert.ok(jti.length > 10);
  }
});

const passed = (era) => () => inWorld({ ...byPassthrough, era }, async ({ issuer, upstream, gateway }) => {
  guardByIssuer(upstream, issuer, gateway.url);
  const tokens = await everybodyCalls(gateway, ['alice', 'bob']);
  const arrived = tokensAt(upstream);
  assert.ok([...arrived].every((token) => tokens.includes(token)) && arrived.size === tokens.length);
  assert.ok(tokens.every((token) => decodeJwt(token).aud === gateway.url));
});

const inBothEras = (name, check) => Object.fromEntries(ERAS.map((era) => [`a ${era} server ${name}`, check(era)]));

export const CREDENTIALS = {
  ...inBothEras('gets a token of the gateway for itself (client credentials)', machine),
  ...inBothEras("gets a token for itself that stands for the caller (token exchange)", exchanged),
  ...inBothEras('is told by the gateway who calls (signed assertion)', asserted),
  ...inBothEras("gets the caller's own token where its entry says so (passthrough)", passed),
  'the token of the gateway is replaced before it ends': renews,
  'a token of the gateway that the server refuses is replaced once for all': replaces,
};
