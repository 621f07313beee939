// The conformance run: server mode over the cells, client mode with fronts of both eras, then tasks. One line for each, details for what failed,
// and `N passed, N failed` at the end, counted in scenarios.

import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TESTS, startGateway, startReference } from '../peers/processes.mjs';
import { cells, upstreams } from './cells.mjs';
import { readExpectations } from './expectations.mjs';
import { REVISION, clientDifferences, differences, runClientScenario, runServerSuite, successes } from './suite.mjs';
import { taskCell, taskCells, taskReference, taskScenarios } from './tasks.mjs';

const PARALLEL = 1;
const FRONTS = { L: 'legacy', M: 'modern' };
// Extensions belong to no revision: the suite runs them with either.
const EXTENSIONS = ['auth/client-credentials-basic', 'auth/client-credentials-jwt'];
const CLIENT_SCENARIOS = {
  '2025-11-25': [
    'initialize', 'tools_call', 'sse-retry', 'elicitation-sep1034-client-defaults', 'json-schema-2020-12-preservation', ...EXTENSIONS,
  ],
  '2026-07-28': [
    'tools_call', 'request-metadata', 'http-standard-headers', 'http-custom-headers', 'http-invalid-tool-headers',
    'sep-2322-client-request-state', 'json-schema-ref-no-deref', 'json-schema-2020-12-preservation', ...EXTENSIONS,
  ],
};

const { values: options } = parseArgs({
  options: {
    cell: { type: 'string' },
    scenario: { type: 'string' },
    mode: { type: 'string' },
    gateway: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
if (options.gateway !== undefined) process.env.MYELIN_GATEWAY = options.gateway;

const expectations = readExpectations();
const isWhole = [options.cell, options.scenario, options.mode].every((option) => option === undefined);
const totals = { passed: 0, failed: 0 };

/** Runs the jobs, at most PARALLEL at a time. */
async function each(jobs, run) {
  const queue = [...jobs];
  const worker = async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await run(job);
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

/** Settles the scenarios of a cell against the expected failures. `found` has what is worse, by scenario. */
function settle(cell, found) {
  const report = { passed: 0, failed: 0, expected: 0, details: [] };
  for (const [scenario, worse] of found) {
    const expectation = expectations.find(cell, scenario);
    const stale = expectation !== undefined && worse.length === 0;
    if (worse.length === 0 && !stale) report.passed += 1;
    else if (expectation !== undefined && !stale) report.expected += 1;
    else {
      report.failed += 1;
      const reasons = stale ? ['passes now: take it out of expected-failures.yaml'] : worse;
      report.details.push(...reasons.map((reason) => `    ${scenario}: ${reason}`));
    }
  }
  return report;
}

function print(cell, report, checks, note = '') {
  totals.passed += report.passed + report.expected;
  totals.failed += report.failed;
  const known = report.expected > 0 ? `, ${report.expected} expected to fail` : '';
  const mark = (report.failed > 0 ? 'FAIL' : 'ok').padEnd(4);
  const all = report.passed + report.failed + report.expected;
  console.log(`  ${cell.padEnd(22)} ${mark} ${String(report.passed).padStart(3)} of ${all} scenarios${known}${checks}`);
  report.details.forEach((line) => console.log(line));
  if (note !== '' && (report.failed > 0 || options.verbose)) console.log(note);
}

const allSuccesses = (results) => [...results.values()].map(successes).reduce((sum, count) => sum + count, 0);

async function serverReference(era) {
  const server = await startReference(era === 'L' ? 'legacy' : 'modern');
  try {
    const { results, output } = await runServerSuite(server.url, era, options.scenario);
    if (results.size === 0) throw new Error(`the suite did not run against the reference server:\n${output}`);
    const good = allSuccesses(results);
    const clean = [...results.values()].filter((checks) => checks.every(({ status }) => status !== 'FAILURE')).length;
    console.log(`  ${`reference ${era}${era}`.padEnd(22)}      ${clean} of ${results.size} scenarios clean, ${good} checks`);
    return results;
  } finally {
    await server.stop();
  }
}

async function throughGateway(cell) {
  const { servers, stop } = await upstreams(cell);
  try {
    const gateway = await startGateway(servers);
    try {
      const { results } = await runServerSuite(gateway.url, cell.client, options.scenario);
      return { results, log: gateway.program.output };
    } finally {
      await gateway.stop();
    }
  } finally {
    await stop();
  }
}

async function serverCell(cell, baseline) {
  const wanted = baseline[cell.client];
  try {
    const { results, log } = await throughGateway(cell);
    const found = [...wanted].map(([scenario, checks]) => [scenario, differences(checks, results.get(scenario))]);
    print(cell.name, settle(cell.name, found), `, ${allSuccesses(results)} checks`, options.verbose ? log : '');
  } catch (error) {
    print(cell.name, settle(cell.name, [...wanted].map(([scenario]) => [scenario, ['did not run']])), '', `    ${error.message}`);
  }
}

async function serverMode() {
  const chosen = cells(options.cell);
  if (chosen.length === 0) return;
  console.log('server mode: the suite as the client of the gateway');
  const baseline = {};
  for (const era of new Set(chosen.map(({ client }) => client))) baseline[era] = await serverReference(era);
  await each(chosen, (cell) => serverCell(cell, baseline));
}

function clientJobs() {
  const jobs = Object.entries(FRONTS).flatMap(([letter, front]) => Object.entries(REVISION).map(([upstream, revision]) => {
    const scenarios = CLIENT_SCENARIOS[revision].filter((name) => name === (options.scenario ?? name));
    return { name: `client-${letter}${upstream}`, front, revision, scenarios };
  }));
  return jobs.filter(({ name, scenarios }) => scenarios.length > 0 && name === (options.cell ?? name));
}

async function clientCell({ name, front, revision, scenarios }) {
  const found = [];
  const notes = [];
  for (const scenario of scenarios) {
    const command = join(TESTS, 'conformance/client-command');
    const { checks, output } = await runClientScenario(command, scenario, revision, { MYELIN_FRONT: front });
    const worse = clientDifferences(checks);
    found.push([scenario, worse]);
    if (worse.length > 0 && options.verbose) notes.push(output);
  }
  print(name, settle(name, found), '', notes.join('\n'));
}

async function clientMode() {
  const jobs = clientJobs();
  if (jobs.length === 0) return;
  console.log('client mode: the suite as the upstream of the gateway');
  await each(jobs, clientCell);
}

async function tasksMode() {
  const [chosen, scenarios] = [taskCells(options.cell), taskScenarios(options.scenario)];
  if (chosen.length === 0 || scenarios.length === 0) return;
  console.log('tasks: the suite as the client of the gateway, with the extension for tasks');
  const wanted = await taskReference(scenarios);
  await each(chosen, async (cell) => print(cell.name, settle(cell.name, await taskCell(cell, wanted)), ''));
}

const isWanted = (mode) => (options.mode ?? mode) === mode;
if (isWanted('server')) await serverMode();
if (isWanted('client')) await clientMode();
if (isWanted('tasks')) await tasksMode();
for (const { cell, scenario } of isWhole ? expectations.unused() : []) {
  totals.failed += 1;
  console.log(`  expected-failures.yaml names what is never run: ${cell} ${scenario}`);
}
if (totals.passed + totals.failed === 0) console.log(`nothing matches ${JSON.stringify(options)}`);
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exitCode = totals.failed > 0 || totals.passed === 0 ? 1 : 0;
