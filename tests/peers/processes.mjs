// Starts the programs of the tests (reference servers, public servers, the gateway) and ends each with everything that it started.
// A program is ready when it has printed the line that its kind prints; nothing here waits for a fixed time.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const TESTS = dirname(dirname(fileURLToPath(import.meta.url)));
export const ROOT = dirname(TESTS);
export const PEERS = join(TESTS, '.peers');
export const PYTHON = join(PEERS, 'venv/bin/python');
export const NODE = process.execPath;

const READY_MS = 20_000;
const STOP_MS = 10_000;
const POLL_MS = 20;
const KEPT_OUTPUT = 20_000;
const RUN_VARIABLE = 'MYELIN_TEST_RUN';

/** @returns the entry file of an npm package that is installed among the peers. */
export const npmEntry = (name, path) => join(PEERS, 'node_modules', name, path);
export const reference = (era) => join(TESTS, 'peers', `${era}.mjs`);
export const CONFORMANCE = npmEntry('@modelcontextprotocol/conformance', 'dist/index.js');

export const gatewayBinary = () => process.env.MYELIN_GATEWAY
  ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'release/myelin');

/** A started program, leader of its own process group. */
export class Program {
  #exited;

  constructor(command, args, env = {}) {
    this.output = '';
    this.child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.#exited = new Promise((done) => {
      this.child.on('exit', done);
      this.child.on('error', done);
    });
    this.child.stderr.on('data', (bytes) => this.#keep(bytes));
    this.child.stdout.on('data', (bytes) => this.#keep(bytes));
  }

  #keep(bytes) {
    this.output = (this.output + bytes).slice(-KEPT_OUTPUT);
  }

  /** @returns what `parse` makes of the first line of stdout that it accepts. */
  async ready(parse) {
    const lines = new Promise((found) => {
      let rest = '';
      this.child.stdout.on('data', (bytes) => {
        const parts = (rest + bytes).split('\n');
        rest = parts.pop();
        const value = parts.map(parse).find((parsed) => parsed !== undefined);
        if (value !== undefined) found(value);
      });
    });
    const patience = new AbortController();
    const gone = this.#exited.then(() => undefined);
    const value = await Promise.race([lines, gone, sleep(READY_MS, undefined, { signal: patience.signal }).catch(() => undefined)]);
    patience.abort();
    if (value === undefined) {
      await this.stop();
      throw new Error(`${this.child.spawnargs.join(' ')} did not get ready:\n${this.output}`);
    }
    return value;
  }

  #signal(name) {
    try {
      process.kill(-this.child.pid, name);
      return true;
    } catch {
      return false;
    }
  }

  /** Ends the group: SIGTERM to the leader, then SIGKILL to what is left. @returns whether nothing had to be killed. */
  async stop() {
    if (this.child.pid === undefined) return true;
    this.child.kill('SIGTERM');
    const patience = new AbortController();
    const gentle = await Promise.race([
      this.#exited.then(() => true),
      sleep(STOP_MS, false, { signal: patience.signal }).catch(() => false),
    ]);
    patience.abort();
    return !this.#signal('SIGKILL') && gentle;
  }
}

const readyUrl = (line) => /^READY (\S+)$/.exec(line)?.[1];

/** Starts a program that prints READY URL. */
export async function startServer(command, args, env) {
  const program = new Program(command, args, env);
  return { program, url: await program.ready(readyUrl), stop: () => program.stop() };
}

export const startReference = (era) => startServer(NODE, [reference(era), '--http', '0']);

function readyEndpoints(line) {
  try {
    const { ready, endpoints } = JSON.parse(line);
    return ready === true ? endpoints : undefined;
  } catch {
    return undefined;
  }
}

/** The processes that were started with `mark` in their environment. */
function marked(mark) {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(mark);
    } catch {
      return false; // it ended meanwhile
    }
  });
}

async function untilGone(mark) {
  for (let waited = 0; waited < STOP_MS; waited += POLL_MS) {
    if (marked(mark).length === 0) return [];
    await sleep(POLL_MS);
  }
  return marked(mark);
}

const withVariable = (server, name, value) => (
  server.command === undefined ? server : { ...server, env: { ...server.env, [name]: value } }
);

/**
 * Starts the gateway in front of `servers`. A stdio server gets a variable of this run, so that a child that outlives the gateway is found.
 * @returns {url, program, reload, stop}; reload replaces settings and does not wait until they hold; stop throws when the gateway had to be
 * killed or left a child behind.
 */
export async function startGateway(servers, settings = {}) {
  const run = crypto.randomUUID();
  const mcpServers = Object.fromEntries(Object.entries(servers).map(([name, server]) => [name, withVariable(server, RUN_VARIABLE, run)]));
  const config = {
    listen: '127.0.0.1:0',
    admin: { listen: '127.0.0.1:0' },
    mcpServers,
    endpoints: { '/mcp': { servers: ['*'], names: 'bare' } },
    ...settings,
  };
  const folder = mkdtempSync(join(tmpdir(), 'myelin-'));
  const file = join(folder, 'gateway.json');
  const write = (changes = {}) => writeFileSync(file, JSON.stringify({ ...config, ...changes }, null, 2));
  write();
  const program = new Program(resolve(gatewayBinary()), ['run', file]);
  const reload = (changes) => {
    write(changes);
    program.child.kill('SIGHUP');
  };
  const stop = async () => {
    const gentle = await program.stop();
    rmSync(folder, { recursive: true, force: true });
    const left = await untilGone(`${RUN_VARIABLE}=${run}`);
    left.forEach((pid) => process.kill(Number(pid), 'SIGKILL'));
    if (!gentle) throw new Error(`the gateway did not stop by itself:\n${program.output}`);
    if (left.length > 0) throw new Error(`the gateway left ${left.length} children behind`);
  };
  try {
    const [url] = await program.ready(readyEndpoints);
    return { url, program, reload, stop };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}
