// Servers that are called in the name of each user: the user agrees once, in a browser, and from then on the gateway has a token of theirs
// that is for the server.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { gatewayBinary } from '../../peers/processes.mjs';
import { open } from '../../sdk/clients.mjs';
import { Person } from '../person.mjs';
import { bearer } from '../raw.mjs';
import { inWorld } from '../world.mjs';

const KINDS = ['ts1', 'ts2-legacy', 'ts2-auto', 'ts2-modern'];
const CALL = 'test_simple_text';
const KEYS = { alice: 'key-of-alice-1234567890', bob: 'key-of-bob-12345678901' };
const LIFETIME_S = 2;

const authOf = () => ({ apiKeys: Object.entries(KEYS).map(([id, token]) => ({ id, token })) });
const inName = { authOf, serverOf: ({ issuer }) => ({ auth: { oauth: { issuer } } }) };

const guarded = (check) => async (world) => {
  const { issuer: { issuer }, upstream } = world;
  upstream.guard({ issuer, keys: `${issuer}/jwks` });
  await check(world);
};

/** A client of `name`, whose user opens every page that it is sent to. @returns {session, asked}. */
async function client(kind, url, name, answer = 'accept') {
  const asked = [];
  const person = new Person(name, KEYS[name]);
  const elicitation = async (params) => {
    asked.push(params);
    if (answer === 'accept') assert.match(await person.agree(params.url), /Connected/);
    return { action: answer };
  };
  const http = { requestInit: { headers: bearer(KEYS[name]) } };
  return { asked, session: await open(kind, url, { answers: { elicitation }, http }) };
}

async function calls({ session }, times = 1) {
  for (let time = 0; time < times; time += 1) assert.equal((await session.callTool(CALL)).content.length, 1);
}

const subjects = (upstream) => [...new Set(upstream.claims.map(({ sub }) => sub))].sort();

const agrees = (kind, era) => () => inWorld({ ...inName, era }, guarded(async ({ issuer, upstream, gateway }) => {
  const [alice, bob] = await Promise.all(Object.keys(KEYS).map((name) => client(kind, gateway.url, name)));
  await calls(alice, 3);
  assert.equal(alice.asked.length, 1, 'the user is asked once');
  assert.equal(alice.asked[0].mode, 'url');
  assert.ok(alice.asked[0].url.startsWith(new URL(gateway.url).origin), 'the page is the gateway\'s own');
  assert.deepEqual([subjects(upstream), bob.asked.length], [['alice'], 0]);
  await calls(bob);
  assert.deepEqual([subjects(upstream), bob.asked.length], [['alice', 'bob'], 1]);
  for (const { aud, scope } of upstream.claims) assert.deepEqual([aud, scope], [upstream.url, 'mcp:use']);
  const grant = issuer.asked.find(({ route, body }) => route === 'token' && body.grant_type === 'authorization_code');
  assert.ok(grant.body.code_verifier.length >= 43 && grant.body.resource === upstream.url);
  const everything = JSON.stringify(upstream.seen);
  assert.ok(Object.values(KEYS).every((key) => !everything.includes(key)), "nobody's key reaches the server");
  await Promise.all([alice, bob].map(({ session }) => session.close()));
}));

const declines = () => inWorld(inName, guarded(async ({ upstream, gateway }) => {
  const alice = await client('ts2-modern', gateway.url, 'alice', 'decline');
  const refused = await alice.session.callTool(CALL).then(({ isError }) => isError === true, () => true);
  assert.ok(refused && alice.asked.length > 0);
  assert.ok(!JSON.stringify(upstream.seen).includes(CALL), 'nothing is called');
  await alice.session.close();
}));

const refreshes = () => inWorld({ ...inName, issuer: { tokenLifetimeS: LIFETIME_S } }, guarded(async ({ issuer, upstream, gateway }) => {
  const alice = await client('ts2-modern', gateway.url, 'alice');
  const grants = () => issuer.asked.filter(({ body }) => body.grant_type === 'refresh_token').length;
  while (grants() < 2) await calls(alice);
  assert.equal(alice.asked.length, 1, 'the user is not asked again');
  assert.deepEqual(subjects(upstream), ['alice']);
  await alice.session.close();
}));

/** The server's own metadata says which authorization server it goes by; the operator only allows the gateway to go there. */
const foundByItself = {
  authOf,
  serverOf: () => ({ auth: { oauth: {} } }),
  settings: { egress: { allow: ['127.0.0.1/32'] } },
};

const finds = () => inWorld(foundByItself, guarded(async ({ issuer, upstream, gateway }) => {
  const alice = await client('ts1', gateway.url, 'alice');
  await calls(alice, 2);
  assert.deepEqual([subjects(upstream), alice.asked.length], [['alice'], 1]);
  assert.ok(upstream.seen.some(({ url }) => url.startsWith('/.well-known/oauth-protected-resource')));
  assert.equal(issuer.count('registration'), 1, 'the gateway registers itself');
  await alice.session.close();
}));

/** Runs `myelin connections` as the operator does. */
async function connections(gateway, ...args) {
  const { admin } = JSON.parse(/^\{"ready":true.*$/m.exec(gateway.program.output)[0]);
  const { stdout } = await promisify(execFile)(gatewayBinary(), ['connections', ...args, '--admin', new URL(admin).host]);
  return stdout;
}

const revokes = () => inWorld(inName, guarded(async ({ issuer, upstream, gateway }) => {
  const [alice, bob] = await Promise.all(Object.keys(KEYS).map((name) => client('ts2-legacy', gateway.url, name)));
  await calls(alice);
  await calls(bob);
  const listed = await connections(gateway);
  assert.ok(['alice', 'bob', 'up'].every((word) => listed.includes(word)), listed);
  assert.ok(!/eyJ/.test(listed), 'no token is shown');
  await connections(gateway, 'revoke', 'alice', 'up');
  assert.ok(issuer.count('revocation') > 0, 'the authorization server is told');
  await calls(alice);
  await calls(bob);
  assert.deepEqual([alice.asked.length, bob.asked.length], [2, 1], 'who was disconnected is asked again, and nobody else');
  await Promise.all([alice, bob].map(({ session }) => session.close()));
  assert.deepEqual(subjects(upstream), ['alice', 'bob']);
}));

export const CONSENT = {
  ...Object.fromEntries(KINDS.flatMap((kind) => ['modern', 'legacy'].map(
    (era) => [`the user of ${kind} agrees once that a ${era} server is called in their name`, agrees(kind, era)],
  ))),
  'a server that says itself by whom it goes is called in the name of a user': finds,
  'a connection that the operator revokes is asked for again': revokes,
  'a user who does not agree is not connected': declines,
  'a token of a user is refreshed without asking them again': refreshes,
};
