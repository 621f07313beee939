// The hook for outside kits: it says that it honours `auth`, and its table of tokens decides who comes in. The same tokens do as API keys.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from '../../sdk/clients.mjs';
import { TESTS, Program, gatewayBinary, startReference } from '../../peers/processes.mjs';
import { bearer, legacy, modern, openLegacy } from '../raw.mjs';
import { inWorld } from '../world.mjs';

const TABLE = { 'tok-alice-1234567890': 'alice', 'tok-bob-123/+~._-==': 'bob', 'tok-alice-the-second': 'alice' };
const KINDS = ['ts1', 'ts2-modern'];

/** Runs `check` with the address that the hook prints, and what it printed before. */
async function withHook(check) {
  const upstream = await startReference('legacy');
  const folder = mkdtempSync(join(tmpdir(), 'myelin-'));
  const file = join(folder, 'spec.json');
  writeFileSync(file, JSON.stringify({ upstreams: [{ name: 'up', url: upstream.url }], auth: { bearer_tokens: TABLE } }));
  const hook = new Program(join(TESTS, 'acceptance/hook'), [file], { MYELIN_GATEWAY: gatewayBinary() });
  try {
    const url = await hook.ready((line) => /^READY (\S+)$/.exec(line)?.[1]);
    await check({ url, hook });
  } finally {
    await hook.stop();
    rmSync(folder, { recursive: true });
    await upstream.stop();
  }
}

const withToken = (token) => ({ http: { requestInit: { headers: bearer(token) } } });

/** Every token of the table lets public clients of both eras in, and nothing else does. */
async function honoursTable(url) {
  for (const token of Object.keys(TABLE)) {
    for (const kind of KINDS) {
      const session = await open(kind, url, withToken(token));
      assert.ok((await session.listTools()).length > 0);
      await session.close();
    }
  }
  for (const token of [undefined, 'tok-carol-1234567890', 'tok-alice-123456789', 'tok-alice-12345678901', 'alice', 'TOK-ALICE-1234567890']) {
    for (const send of [() => legacy(url, bearer(token), 'initialize'), () => modern(url, bearer(token)), () => fetch(url, { headers: bearer(token) })]) {
      assert.equal((await send()).status, 401, token);
    }
  }
}

/** Two tokens of one name are one principal, and two names are two. */
async function tellsPrincipals(url) {
  const [first, bob, second] = Object.keys(TABLE);
  const session = await openLegacy(url, first);
  const pingAs = async (token) => (await legacy(url, { ...session, ...bearer(token) }, 'ping')).status;
  assert.deepEqual([await pingAs(first), await pingAs(second), await pingAs(bob)], [200, 200, 404]);
}

/** Waits until the gateway's line for a call names its principal. */
async function namesPrincipals(url, program, log) {
  for (const [token, name] of Object.entries(TABLE)) {
    await modern(url, bearer(token), 'tools/call', { name: 'test_echo', arguments: {} });
    const named = () => log().split('\n').some((line) => line.includes('myelin::access') && JSON.parse(line).principal === name);
    while (!named()) await new Promise((more) => { program.child.stderr.once('data', more); });
  }
  assert.ok(Object.keys(TABLE).every((token) => !log().includes(token)), 'tokens are not in the log');
}

const hookHonours = () => withHook(async ({ url, hook }) => {
  const features = /^FEATURES (.*)$/m.exec(hook.output)[1].split(' ');
  assert.ok(features.includes('auth'), features.join());
  await honoursTable(url);
  await tellsPrincipals(url);
  await namesPrincipals(url, hook, () => hook.output);
});

const keys = () => ({ apiKeys: Object.entries(TABLE).map(([token, id]) => ({ id, token })) });

export const HOOK = {
  'the acceptance hook announces auth and honours its table of tokens': hookHonours,
  'the same table of tokens does as API keys': () => inWorld({ era: 'legacy', authOf: keys }, async ({ gateway: { url, program } }) => {
    await honoursTable(url);
    await tellsPrincipals(url);
    await namesPrincipals(url, program, () => program.output);
  }),
};
