// Runs the Inspector's command line, as a person at a terminal would: one process for each request.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { NODE, npmEntry } from '../peers/processes.mjs';
import { expect } from './expect.mjs';

const INSPECTOR = npmEntry('@modelcontextprotocol/inspector', 'clients/launcher/build/index.js');
const RUN_MS = 30_000;

export const INSPECTOR_CLIENTS = ['legacy', 'auto', 'modern'].map((era) => ({ name: `inspector-${era}`, era }));

const tool = (name, args) => ['tools/call', '--tool-name', name, '--tool-args-json', JSON.stringify(args)];

const REFERENCE = {
  'lists tools': [['tools/list'], /test_simple_text/],
  'calls tools': [tool('test_echo', { word: 'grüße' }), /grüße/],
  'lists resources': [['resources/list'], /test:\/\/static-text/],
  'reads resources': [['resources/read', '--uri', 'test://static-text'], /content of the static text/],
  'gets prompts': [['prompts/get', '--prompt-name', 'test_prompt_with_arguments', '--prompt-args', 'arg1=a', 'arg2=b'], /arg1='a'/],
};
const EVERYTHING = {
  'calls tools': [tool('get-sum', { a: 2, b: 40 }), /42/],
  'lists prompts': [['prompts/list'], /args-prompt/],
};
const CHECKS = {
  'modern-http': REFERENCE, 'legacy-http': REFERENCE, 'modern-stdio': REFERENCE, 'legacy-stdio': REFERENCE,
  'everything-http': EVERYTHING, 'everything-stdio': EVERYTHING,
  'time-stdio': { 'calls tools': [tool('get_current_time', { timezone: 'Etc/UTC' }), /UTC/] },
};

async function run(url, era, home, [method, ...rest]) {
  const where = ['--server-url', url, '--transport', 'http', '--protocol-era', era];
  const args = [INSPECTOR, '--cli', ...where, '--format', 'json', '-q', '--method', method, ...rest];
  try {
    return (await promisify(execFile)(NODE, args, { timeout: RUN_MS, env: { ...process.env, HOME: home } })).stdout;
  } catch (error) {
    throw new Error(error.stderr || error.message);
  }
}

export async function inspect(era, url, server) {
  const home = mkdtempSync(join(tmpdir(), 'inspector-'));
  const results = [];
  try {
    for (const [check, [request, pattern]] of Object.entries(CHECKS[server] ?? {})) {
      const outcome = run(url, era, home, request).then((output) => expect(pattern.test(output), `answered ${output}`));
      results.push({ check, error: await outcome.then(() => undefined, (error) => error.message) });
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
  return results;
}
