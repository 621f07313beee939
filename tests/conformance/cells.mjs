// The cells of the matrix: client era x upstream era x wire x shape, named like LM-http-single (legacy client, modern upstream), and the
// upstreams that a cell puts behind the gateway.

import { NODE, npmEntry, reference, startReference } from '../peers/processes.mjs';

const ERAS = { L: 'legacy', M: 'modern' };
const everyCell = ['LL', 'MM', 'LM', 'ML'].flatMap((eras) => ['http', 'stdio'].flatMap((wire) => (
  ['single', 'aggregated'].map((shape) => ({ name: `${eras}-${wire}-${shape}`, client: eras[0], upstream: ERAS[eras[1]], wire, shape }))
)));

export const cells = (name) => everyCell.filter((cell) => name === undefined || cell.name === name);

const stdio = (...args) => ({ command: NODE, args });

/** Two public servers beside the reference server, so that lists are merged and calls are routed. */
const neighbours = () => ({
  everything: stdio(npmEntry('@modelcontextprotocol/server-everything', 'dist/index.js'), 'stdio'),
  memory: stdio(npmEntry('@modelcontextprotocol/server-memory', 'dist/index.js')),
});

/** @returns {servers, stop}: the upstreams of the cell, the reference server first. */
export async function upstreams({ upstream, wire, shape }) {
  const others = shape === 'aggregated' ? neighbours() : {};
  if (wire === 'stdio') return { servers: { conformance: stdio(reference(upstream), '--stdio'), ...others }, stop: async () => true };
  const { url, stop } = await startReference(upstream);
  return { servers: { conformance: { url }, ...others }, stop };
}
