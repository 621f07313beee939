// The matrix of public clients and servers through the gateway: a gateway for each server, every client in turn against it. A line for each
// (client, server) cell, what failed below it, and `N passed, N failed` at the end, counted in checks.

import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGateway } from '../peers/processes.mjs';
import { TYPESCRIPT_CLIENTS, open } from './clients.mjs';
import { INSPECTOR_CLIENTS, inspect } from './inspector.mjs';
import { PYTHON_CLIENTS, drivePython } from './python.mjs';
import { SERVERS } from './public-servers.mjs';

const PARALLEL = 2;
const CHECK_MS = 30_000;
const SHOWN_CHARS = 400;
const SHOWN_LINES = 20;

const { values: options } = parseArgs({
  options: {
    server: { type: 'string' },
    client: { type: 'string' },
    check: { type: 'string' },
    gateway: { type: 'string' },
  },
});
if (options.gateway !== undefined) process.env.MYELIN_GATEWAY = options.gateway;

const totals = { passed: 0, failed: 0 };

/** Opens a session for one use of it, and closes it. */
const userOf = (kind, url) => async (settings, work) => {
  const notices = [];
  const session = await open(kind, url, { ...settings, onNotice: (method, params) => notices.push({ method, params }) });
  try {
    return await work(session, notices);
  } finally {
    await session.close();
  }
};

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

async function driveTypeScript(kind, url, checks) {
  const results = [];
  for (const [name, check] of Object.entries(checks)) {
    if (name !== (options.check ?? name)) continue;
    const error = await inTime(check(userOf(kind, url))).then(() => undefined, (reason) => reason.message);
    results.push({ check: name, error });
  }
  return results;
}

/** How to drive each kind of client: (url, server name, checks) to a list of {check, error}. */
const CLIENTS = [
  ...TYPESCRIPT_CLIENTS.map((kind) => ({ name: kind, drive: (url, _server, checks) => driveTypeScript(kind, url, checks) })),
  ...PYTHON_CLIENTS.map(({ name, mode }) => ({ name, drive: (url, server) => drivePython(mode, url, server) })),
  ...INSPECTOR_CLIENTS.map(({ name, era }) => ({ name, drive: (url, server) => inspect(era, url, server) })),
];

function print(client, server, results) {
  const failed = results.filter(({ error }) => error !== undefined);
  totals.passed += results.length - failed.length;
  totals.failed += failed.length;
  const mark = (failed.length > 0 ? 'FAIL' : 'ok').padEnd(4);
  const good = String(results.length - failed.length).padStart(3);
  console.log(`  ${client.padEnd(17)} ${server.padEnd(17)} ${mark} ${good} of ${results.length}`);
  const byError = Map.groupBy(failed, ({ error }) => error.trim().slice(0, SHOWN_CHARS));
  byError.forEach((group, error) => console.log(`    ${group.map(({ check }) => check).join(', ')}: ${error}`));
}

/** What the gateway said lately, but for its line for each call. */
function printLog({ output }) {
  const lines = output.split('\n').filter((line) => line !== '' && !line.includes('myelin::access'));
  lines.slice(-SHOWN_LINES).forEach((line) => console.log(`    | ${line}`));
}

async function driveAll({ url, program }, { name, checks }, started) {
  for (const client of CLIENTS.filter((candidate) => candidate.name === (options.client ?? candidate.name))) {
    const results = await client.drive(url, name, checks(started)).catch((error) => [{ check: 'runs', error: error.message }]);
    if (results.length > 0) print(client.name, name, results);
    if (results.some(({ error }) => error !== undefined)) printLog(program);
  }
}

async function serve(server) {
  const started = await server.start();
  try {
    const gateway = await startGateway({ up: started.entry }, { ...server.settings, log: { format: 'json', level: 'info,myelin=debug' } });
    try {
      await driveAll(gateway, server, started);
    } finally {
      await gateway.stop();
    }
  } finally {
    await started.stop();
  }
}

async function worker(queue) {
  for (let server = queue.shift(); server !== undefined; server = queue.shift()) {
    const { name } = server;
    await serve(server).catch((error) => print('-', name, [{ check: 'runs', error: error.message }]));
  }
}

const queue = SERVERS.filter(({ name }) => name === (options.server ?? name));
console.log('public clients and servers through the gateway');
await Promise.all(Array.from({ length: PARALLEL }, () => worker(queue)));
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exit(totals.failed > 0 || totals.passed === 0 ? 1 : 0);
