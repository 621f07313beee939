// What real tokens and real ids of somebody else are worth: nothing, and each refusal looks like every other.

import assert from 'node:assert/strict';
import { SignJWT, exportSPKI, importJWK } from 'jose';
import { AuthorizationServer } from '../authorization-server.mjs';
import { register, signIn } from '../clients.mjs';
import { Person } from '../person.mjs';
import { bearer, legacy, modern, openLegacy } from '../raw.mjs';
import { byJwt, inWorld } from '../world.mjs';

const metadataOf = (url) => `${new URL(url).origin}/.well-known/oauth-protected-resource/mcp`;
const NO_SUCH_SESSION = 404;

/** What `auth.scopes` demands of a token, said to whoever may get one. */
function challenge(url, error) {
  const said = error === undefined ? '' : `error="${error[0]}", error_description="${error[1]}", `;
  return `Bearer ${said}resource_metadata="${metadataOf(url)}", scope="mcp:use"`;
}

const INVALID = ['invalid_token', 'The token is expired, revoked, or not for this resource'];

/** A token that a clock makes worthless, issued for real. */
async function expired(issuer, url) {
  issuer.setTokenLifetime(1);
  const token = await issuer.agentToken(url);
  issuer.setTokenLifetime(300);
  await new Promise((over) => { setTimeout(over, 2000); });
  return token;
}

/** An HS256 token whose secret is the public key as everybody can read it. */
async function confused(claims, key) {
  const { kty, n, e } = key;
  const published = await exportSPKI(await importJWK({ kty, n, e, alg: 'RS256' }, 'RS256'));
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: key.kid, typ: 'at+jwt' }).sign(new TextEncoder().encode(published));
}

function unsigned(claims, kid) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none', kid, typ: 'at+jwt' })}.${part(claims)}.`;
}

/** Signed by nobody the issuer knows, under the name of its key. */
async function forged(claims, kid) {
  const stranger = await AuthorizationServer.start();
  const token = await stranger.sign(claims, { header: { kid } });
  await stranger.stop();
  return token;
}

/** Everything that a sign-in leaves in a client's hands besides the access token. */
async function leftovers(issuer, url) {
  const client = await register(issuer.issuer, ['authorization_code', 'refresh_token']);
  const { session, login } = await signIn('ts2-modern', url, new Person('alice'), { client });
  await session.close();
  return login.kept.refresh_token;
}

async function worthless(issuer, other, url) {
  const [first, rsa] = issuer.keys;
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer.issuer, aud: url, sub: 'mallory', scope: 'mcp:use', iat: now, exp: now + 60 };
  const valid = await issuer.agentToken(url);
  return {
    'expired': await expired(issuer, url),
    'not valid yet': await issuer.sign({ ...claims, nbf: now + 600 }),
    'for another resource': await issuer.agentToken(`${url}-other`),
    'of another issuer': await other.agentToken(url),
    'of another issuer in the name of this one': await other.sign(claims, { header: { kid: first.kid } }),
    'unsigned': unsigned(claims, first.kid),
    'signed with the public key as a secret': await confused(claims, rsa),
    'signed with a key of that name that is not the one': await forged(claims, first.kid),
    'of an unknown key': await issuer.sign(claims, { header: { kid: 'no-such-key' } }),
    'altered': `${valid.slice(0, -8)}${valid.at(-8) === 'A' ? 'B' : 'A'}${valid.slice(-7)}`,
    'a refresh token': await leftovers(issuer, url),
    'made up': 'nobody-ever-issued-this-token',
  };
}

async function refuses({ issuer, gateway }) {
  const other = await AuthorizationServer.start();
  try {
    const good = await modern(gateway.url, bearer(await issuer.agentToken(gateway.url)));
    assert.equal(good.status, 200, 'a valid token comes in');
    const bodies = new Set();
    for (const [what, token] of Object.entries(await worthless(issuer, other, gateway.url))) {
      for (const [method, params] of [['tools/list', {}], ['tools/call', { name: 'test_simple_text' }], ['tools/call', { name: 'no_such_tool' }]]) {
        const answer = await modern(gateway.url, bearer(token), method, params);
        assert.deepEqual([what, answer.status, answer.challenge], [what, 401, challenge(gateway.url, INVALID)]);
        bodies.add(answer.body);
      }
    }
    assert.equal(bodies.size, 1, `the sender hears neither why nor what there is: ${[...bodies].join('\n')}`);
  } finally {
    await other.stop();
  }
}

async function malformed({ issuer, gateway }) {
  const token = await issuer.agentToken(gateway.url);
  const none = await modern(gateway.url, {});
  assert.deepEqual([none.status, none.challenge], [401, challenge(gateway.url)]);
  const rows = {
    'in the address': await modern(`${gateway.url}?access_token=${token}`, {}),
    'in the address and the header': await modern(`${gateway.url}?access_token=${token}`, bearer(token)),
    'under another scheme': await modern(gateway.url, { authorization: `Basic ${btoa(`agent:${token}`)}` }),
    'twice': await modern(gateway.url, { authorization: `Bearer ${token}, Bearer ${token}` }),
  };
  for (const [what, { status, challenge: said }] of Object.entries(rows)) {
    const expected = challenge(gateway.url, ['invalid_request', 'The credentials cannot be read']);
    assert.deepEqual([what, status, said], [what, 400, expected]);
  }
}

/** A token of a person of that name. */
async function tokenOf(name, issuer, url) {
  const { session, login } = await signIn('ts2-modern', url, new Person(name));
  await session.close();
  return login.kept.access_token;
}

/** Reads a stream until a line fits. @returns all that was read. */
async function readUntil(response, fits) {
  let text = '';
  for await (const bytes of response.body) {
    text += Buffer.from(bytes).toString();
    if (fits(text)) return text;
  }
  return text;
}

const streamOf = (url, headers, from) => fetch(url, { headers: { accept: 'text/event-stream', ...headers, 'last-event-id': from } });

async function foreignSession({ issuer, gateway: { url } }) {
  const [alice, bob] = [await openLegacy(url, await tokenOf('alice', issuer, url)), await openLegacy(url, await tokenOf('bob', issuer, url))];
  const ping = async (headers) => legacy(url, headers, 'ping');
  assert.equal((await ping(alice)).status, 200);
  const asBob = (id) => ({ ...bob, 'mcp-session-id': id });
  const [foreign, madeUp] = [await ping(asBob(alice['mcp-session-id'])), await ping(asBob('made-up'))];
  assert.equal(foreign.status, NO_SUCH_SESSION);
  assert.deepEqual(foreign, madeUp);
  const ended = await fetch(url, { method: 'DELETE', headers: asBob(alice['mcp-session-id']) });
  assert.equal(ended.status, NO_SUCH_SESSION);
  assert.equal((await ping(alice)).status, 200, 'nobody else ends the session');
  assert.equal((await legacy(url, { 'mcp-session-id': alice['mcp-session-id'] }, 'ping')).status, 401, 'a session id is no token');
}

async function foreignStream({ issuer, gateway: { url } }) {
  const [alice, bob] = [await openLegacy(url, await tokenOf('alice', issuer, url)), await openLegacy(url, await tokenOf('bob', issuer, url))];
  const call = await legacy(url, alice, 'tools/call', { name: 'test_tool_with_progress', arguments: {}, _meta: { progressToken: 'p' } });
  const id = /^id: ?(\S+)$/m.exec(call.body)?.[1];
  assert.ok(id !== undefined && call.body.includes('executed successfully'), call.body);
  const own = await readUntil(await streamOf(url, alice, id), (text) => text.includes('executed successfully'));
  assert.ok(own.includes('executed successfully'), 'whose stream it is takes it up');
  const [foreign, madeUp] = [await streamOf(url, bob, id), await streamOf(url, bob, 'made-up')];
  assert.equal(foreign.status, madeUp.status);
  const shown = foreign.ok ? readUntil(foreign, (text) => text.includes('list_changed')) : foreign.text();
  if (foreign.ok) await legacy(url, bob, 'tools/call', { name: 'test_trigger_tool_change', arguments: {} });
  assert.ok(!(await shown).includes('executed successfully'), 'nobody else does');
}

export const REFUSALS = {
  'worthless tokens are refused alike': () => inWorld({ authOf: (issuer) => ({ ...byJwt(issuer), clockSkew: '0s' }) }, refuses),
  'tokens in the wrong place are malformed': () => inWorld({ authOf: byJwt }, malformed),
  'a session of another person looks like none': () => inWorld({ authOf: byJwt, era: 'legacy' }, foreignSession),
  'a stream of another person looks like none': () => inWorld({ authOf: byJwt, era: 'legacy' }, foreignStream),
};
