// Runs the Python SDK's client as a process of its own; python_client.py prints one JSON line for each check.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PYTHON, TESTS } from '../peers/processes.mjs';

const RUN_MS = 120_000;

export const PYTHON_CLIENTS = [
  { name: 'python-auto', mode: 'auto' },
  { name: 'python-legacy', mode: 'legacy' },
  { name: 'python-modern', mode: '2026-07-28' },
];

export async function drivePython(mode, url, server) {
  const script = join(TESTS, 'sdk/python_client.py');
  const { stdout } = await promisify(execFile)(PYTHON, [script, url, mode, server], { timeout: RUN_MS });
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line)).map(({ check, error }) => ({ check, error: error ?? undefined }));
}
