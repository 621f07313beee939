// The suite's scenarios of the extension io.modelcontextprotocol/tasks, which no requirement list names: through the gateway and, to compare,
// against the reference server of tasks alone.

import { NODE, reference, startGateway, startReference } from '../peers/processes.mjs';
import { differences, runServerSuite } from './suite.mjs';

const SCENARIOS = [
  'tasks-lifecycle', 'tasks-capability-negotiation', 'tasks-wire-fields', 'tasks-request-state-removal', 'tasks-mrtr-input',
  'tasks-request-headers', 'tasks-dispatch-and-envelope', 'tasks-required-task-error', 'tasks-mrtr-composition',
];

const stdio = (name) => ({ command: NODE, args: [reference(name), '--stdio'] });

/** A second server beside the reference server: ids have to find theirs. */
const CELLS = [
  { name: 'tasks-http-single', wire: 'http', others: {} },
  { name: 'tasks-stdio-aggregated', wire: 'stdio', others: { legacy: stdio('legacy') } },
];

export const taskCells = (name) => CELLS.filter((cell) => name === undefined || cell.name === name);

export const taskScenarios = (name) => SCENARIOS.filter((scenario) => name === undefined || scenario === name);

/** @returns scenario -> checks */
async function run(url, scenarios) {
  const found = new Map();
  for (const scenario of scenarios) {
    const { results } = await runServerSuite(url, 'M', scenario);
    found.set(scenario, [...results.values()][0]);
  }
  return found;
}

/** @returns the checks of each scenario against the reference server alone. */
export async function taskReference(scenarios) {
  const server = await startReference('tasks');
  try {
    return await run(server.url, scenarios);
  } finally {
    await server.stop();
  }
}

/** @returns what is worse through the gateway, by scenario. */
export async function taskCell({ wire, others }, wanted) {
  const server = wire === 'http' ? await startReference('tasks') : undefined;
  try {
    const gateway = await startGateway({ ...others, tasks: server === undefined ? stdio('tasks') : { url: server.url } });
    try {
      const found = await run(gateway.url, wanted.keys());
      return [...wanted].map(([scenario, checks]) => [scenario, checks === undefined ? ['did not run'] : differences(checks, found.get(scenario))]);
    } finally {
      await gateway.stop();
    }
  } finally {
    await server?.stop();
  }
}
