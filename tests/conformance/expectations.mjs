// The failures that are expected, each with its reason. The file only shrinks: an entry that does not fail any more is an error.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { CONFORMANCE, TESTS } from '../peers/processes.mjs';

// The suite brings a YAML parser.
const { parse } = createRequire(CONFORMANCE)('yaml');

/** `cell: LM-*` names every cell that begins with LM-. */
const covers = (pattern, cell) => (pattern.endsWith('*') ? cell.startsWith(pattern.slice(0, -1)) : cell === pattern);

export function readExpectations() {
  const entries = parse(readFileSync(join(TESTS, 'conformance/expected-failures.yaml'), 'utf8')) ?? [];
  for (const entry of entries) {
    if (!entry.cell || !entry.scenario || !entry.reason) throw new Error(`expected-failures.yaml: incomplete entry ${JSON.stringify(entry)}`);
  }
  const used = new Set();
  const find = (cell, scenario) => {
    const entry = entries.find((candidate) => covers(candidate.cell, cell) && candidate.scenario === scenario);
    if (entry !== undefined) used.add(entry);
    return entry;
  };
  return { find, unused: () => entries.filter((entry) => !used.has(entry)) };
}
