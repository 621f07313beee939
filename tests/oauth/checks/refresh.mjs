// Access tokens end in mid-session: the client gets a new one by itself and goes on, and nobody is asked anything again.

import assert from 'node:assert/strict';
import { TYPESCRIPT_CLIENTS } from '../../sdk/clients.mjs';
import { signIn } from '../clients.mjs';
import { Person } from '../person.mjs';
import { byJwt, inWorld } from '../world.mjs';
import { checkUpstream, drivePythonLogin } from './flow.mjs';

const LIFETIME_S = 2;
const REFRESHES = 2;

const shortLived = { issuer: { tokenLifetimeS: LIFETIME_S }, authOf: (issuer) => ({ ...byJwt(issuer), clockSkew: '0s' }) };

function checkGrants({ asked }) {
  const grants = asked.filter(({ route }) => route === 'token').map(({ body, status }) => `${body.grant_type} ${status}`);
  assert.equal(grants[0], 'authorization_code 200');
  assert.ok(grants.length > REFRESHES && grants.slice(1).every((grant) => grant === 'refresh_token 200'), grants.join(', '));
  assert.equal(new Set(asked.filter(({ route }) => route === 'registration')).size, 1);
}

const goesOn = (kind) => () => inWorld(shortLived, async ({ issuer, upstream, gateway }) => {
  const { session, login } = await signIn(kind, gateway.url, new Person('alice'));
  const tokens = new Set();
  while (tokens.size <= REFRESHES) {
    const { content } = await session.callTool('test_simple_text');
    assert.equal(content.length, 1);
    tokens.add(login.kept.access_token);
  }
  await session.close();
  checkGrants(issuer);
  checkUpstream(upstream, [...tokens]);
});

const pythonGoesOn = () => inWorld(shortLived, async ({ issuer, upstream, gateway }) => {
  const { tokens } = await drivePythonLogin(gateway.url, 'auto', REFRESHES);
  checkGrants(issuer);
  checkUpstream(upstream, [tokens.access_token, tokens.refresh_token]);
});

export const REFRESH = {
  ...Object.fromEntries(TYPESCRIPT_CLIENTS.map((kind) => [`${kind} refreshes a token that ends and goes on`, goesOn(kind)])),
  'python-auto refreshes a token that ends and goes on': pythonGoesOn,
};
