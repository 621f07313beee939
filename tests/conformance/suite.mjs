// Runs the official suite and reads what it found. A scenario's outcome is compared with the reference's, check by check.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONFORMANCE, NODE } from '../peers/processes.mjs';

export const REVISION = { L: '2025-11-25', M: '2026-07-28' };
// Alone, a scenario takes a second or two, and all of them three.
const SUITE_MS = 120_000;
const SCENARIO_MS = 15_000;

const BAD = new Set(['FAILURE', 'WARNING']);

function suite(args, env) {
  return new Promise((done) => {
    const child = spawn(NODE, [CONFORMANCE, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: SUITE_MS });
    let output = '';
    child.stdout.on('data', (bytes) => { output += bytes; });
    child.stderr.on('data', (bytes) => { output += bytes; });
    child.on('close', () => done(output));
  });
}

/** The folders are named [server-]SCENARIO-TIMESTAMP. */
function scenarioOf(folder) {
  return folder.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
}

function readResults(folder, prefix = '') {
  const results = new Map();
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name === 'checks.json') results.set(scenarioOf(prefix), JSON.parse(readFileSync(path, 'utf8')));
    else if (entry.isDirectory()) readResults(path, entry.name).forEach((checks, name) => results.set(name, checks));
  }
  return results;
}

async function collect(args, env) {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  try {
    const output = await suite([...args, '--output-dir', folder, '--timeout', String(SCENARIO_MS)], env);
    return { results: readResults(folder), output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the server scenarios of a client era against `url`. @returns {results: scenario -> checks, output} */
export function runServerSuite(url, clientEra, scenario) {
  const revision = REVISION[clientEra];
  if (scenario !== undefined) return collect(['server', '--url', url, '--scenario', scenario, '--spec-version', revision, '--force']);
  const all = clientEra === 'L' ? ['--suite', 'all', '--spec-version', revision] : ['--requirements', revision];
  return collect(['server', '--url', url, ...all]);
}

/** Runs one client scenario with `command` as the client; one of an extension is forced, because it is of no revision. */
export async function runClientScenario(command, scenario, revision, env) {
  const args = ['client', '--command', command, '--scenario', scenario, '--spec-version', revision, '--force'];
  const { results, output } = await collect(args, env);
  return { checks: [...results.values()][0], output };
}

function tally(checks) {
  const counts = new Map();
  for (const { id, name, status, errorMessage } of checks) {
    const key = `${id} ${name}`;
    const count = counts.get(key) ?? { good: 0, bad: 0, errors: [] };
    if (status === 'SUCCESS') count.good += 1;
    if (BAD.has(status)) {
      count.bad += 1;
      count.errors.push(errorMessage ?? status);
    }
    counts.set(key, count);
  }
  return counts;
}

const NONE = { good: 0, bad: 0, errors: [] };

/** @returns what is worse in `checks` than in `expected`: fewer successes or more failures and warnings of any check. */
export function differences(expected, checks) {
  if (checks === undefined) return ['did not run'];
  const want = tally(expected);
  const have = tally(checks);
  return [...new Set([...want.keys(), ...have.keys()])].flatMap((key) => {
    const [wanted, found] = [want.get(key) ?? NONE, have.get(key) ?? NONE];
    if (found.bad > wanted.bad) return [`${key}: ${found.errors.join(' | ')}`];
    return found.good < wanted.good ? [`${key}: ${found.good} of ${wanted.good} successes`] : [];
  });
}

/** The client scenarios have no reference: every check has to be good. */
export function clientDifferences(checks) {
  if (checks === undefined || !checks.some(({ status }) => status === 'SUCCESS')) return ['did not run'];
  return differences([], checks);
}

export const successes = (checks) => checks.filter(({ status }) => status === 'SUCCESS').length;
