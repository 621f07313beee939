// All checks, one line each, what failed below it, and `N passed, N failed` at the end.

import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONSENT } from './checks/consent.mjs';
import { CREDENTIALS } from './checks/credentials.mjs';
import { FLOW } from './checks/flow.mjs';
import { HOOK } from './checks/hook.mjs';
import { OPAQUE } from './checks/opaque.mjs';
import { REFRESH } from './checks/refresh.mjs';
import { REFUSALS } from './checks/refusals.mjs';
import { ROTATION } from './checks/rotation.mjs';
import { STREAMS } from './checks/streams.mjs';
import { STEP_UP } from './checks/step-up.mjs';

const PARALLEL = 2;
const CHECK_MS = 60_000;
const SHOWN_CHARS = 2000;

// What the authorization server says to an operator who would use it for the world, and the SDKs to who writes an application.
for (const level of ['info', 'warn']) {
  const print = console[level];
  console[level] = (...parts) => { if (!/^(oidc-provider |\[mcp-sdk\] )/.test(String(parts[0]))) print(...parts); };
}

const { values: options } = parseArgs({ options: { check: { type: 'string' }, gateway: { type: 'string' } } });
if (options.gateway !== undefined) process.env.MYELIN_GATEWAY = options.gateway;

const totals = { passed: 0, failed: 0 };

async function inTime(work) {
  const patience = new AbortController();
  const late = sleep(CHECK_MS, undefined, { signal: patience.signal }).then(() => { throw new Error(`took longer than ${CHECK_MS} ms`); });
  try {
    await Promise.race([work, late]);
  } finally {
    patience.abort();
    late.catch(() => undefined);
  }
}

function print(name, error) {
  totals[error === undefined ? 'passed' : 'failed'] += 1;
  console.log(`  ${error === undefined ? 'ok  ' : 'FAIL'} ${name}`);
  if (error !== undefined) console.log(`    ${String(error.stack).slice(0, SHOWN_CHARS)}`);
}

async function worker(queue) {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [name, check] = next;
    await inTime(check()).then(() => print(name), (error) => print(name, error));
  }
}

const queue = Object.entries({ ...FLOW, ...REFRESH, ...ROTATION, ...STEP_UP, ...REFUSALS, ...HOOK, ...OPAQUE, ...CREDENTIALS, ...STREAMS, ...CONSENT }).filter(([name]) => name.includes(options.check ?? ''));
console.log('public clients and a real authorization server through the gateway');
await Promise.all(Array.from({ length: PARALLEL }, () => worker(queue)));
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exit(totals.failed > 0 || totals.passed === 0 ? 1 : 0);
