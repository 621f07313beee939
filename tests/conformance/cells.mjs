// The cells of the matrix: client era x upstream era x wire x shape, named like LM-http-single (legacy client, modern upstream), and the
// upstreams that a cell puts behind the gateway.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NODE, npmEntry, reference, startReference } from '../peers/processes.mjs';

const ERAS = { L: 'legacy', M: 'modern' };
const everyCell = ['LL', 'MM', 'LM', 'ML'].flatMap((eras) => ['http', 'stdio'].flatMap((wire) => (
  ['single', 'aggregated'].map((shape) => ({ name: `${eras}-${wire}-${shape}`, client: eras[0], upstream: ERAS[eras[1]], wire, shape }))
)));

export const cells = (name) => everyCell.filter((cell) => name === undefined || cell.name === name);

const stdio = (args, env = {}) => ({ command: NODE, args, env });

/** Two public servers beside the reference server, so that lists are merged and calls are routed. */
function neighbours(folder) {
  const memory = npmEntry('@modelcontextprotocol/server-memory', 'dist/index.js');
  return {
    everything: stdio([npmEntry('@modelcontextprotocol/server-everything', 'dist/index.js'), 'stdio']),
    memory: stdio([memory], { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') }),
  };
}

/** @returns {servers, stop}: the upstreams of the cell, the reference server first. */
export async function upstreams({ upstream, wire, shape }) {
  const folder = mkdtempSync(join(tmpdir(), 'cell-'));
  const others = shape === 'aggregated' ? neighbours(folder) : {};
  const server = wire === 'http' ? await startReference(upstream) : undefined;
  const conformance = server === undefined ? stdio([reference(upstream), '--stdio']) : { url: server.url };
  const stop = async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { servers: { conformance, ...others }, stop };
}
