// The servers behind the gateway: the two reference servers on both wires, and public servers that nobody here wrote.
// Each says how it is started and what a client has to get from it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { NODE, PEERS, PYTHON, TESTS, gatewayBinary, npmEntry, reference, startReference, startServer } from '../peers/processes.mjs';
import { expect, refusal, textOf, until } from './expect.mjs';
import { QUESTION_CHECKS, REFERENCE_CHECKS } from './reference-checks.mjs';

const EVERYTHING = npmEntry('@modelcontextprotocol/server-everything', 'dist/index.js');
const local = (entry) => async () => ({ entry, stop: async () => undefined });
const http = (starting, settings = {}) => async () => {
  const { url, stop } = await starting();
  return { entry: { url, ...settings }, stop };
};

/** A call of a public server: what to call and what the text has to match. */
const call = (name, args, pattern) => (use) => use({}, async (session) => {
  const offered = await session.listTools();
  expect(offered.some((tool) => tool.name === name), `${name} is not listed`);
  const answer = textOf(await session.callTool(name, args));
  expect(pattern.test(answer), `${name} answered ${answer}`);
});

const everythingChecks = {
  adds: call('get-sum', { a: 2, b: 40 }, /42/),
  echoes: call('echo', { message: 'grüße' }, /grüße/),
  'gives structure': (use) => use({}, async (session) => {
    const { structuredContent } = await session.callTool('get-structured-content', { location: 'Chicago' });
    expect(typeof structuredContent?.temperature === 'number', JSON.stringify(structuredContent));
  }),
  'reports progress': (use) => use({}, async (session) => {
    const seen = [];
    await session.callTool('trigger-long-running-operation', { duration: 0.2, steps: 2 }, { onprogress: ({ progress }) => seen.push(progress) });
    expect(seen.join(' ') === '1 2', `progress was ${seen}`);
  }),
  'reads resources': (use) => use({}, async (session) => {
    const [{ uri }] = await session.listResources();
    const [{ text }] = await session.readResource(uri);
    expect(text.length > 0, `${uri} is empty`);
  }),
  'gets prompts': (use) => use({}, async (session) => {
    const [{ content }] = await session.getPrompt('args-prompt', { city: 'Bern' });
    expect(/Bern/.test(content.text), content.text);
  }),
};

async function startFilesystem() {
  const folder = mkdtempSync(join(tmpdir(), 'files-'));
  writeFileSync(join(folder, 'note.txt'), 'written by the test');
  const args = [npmEntry('@modelcontextprotocol/server-filesystem', 'dist/index.js'), folder];
  return { entry: { command: NODE, args }, folder, stop: async () => rmSync(folder, { recursive: true }) };
}

const filesystemChecks = ({ folder }) => ({
  'lists files': call('list_directory', { path: folder }, /note\.txt/),
  'reads files': call('read_text_file', { path: join(folder, 'note.txt') }, /written by the test/),
  'stays inside': (use) => use({}, async (session) => {
    const { isError } = await session.callTool('read_text_file', { path: '/etc/hostname' });
    expect(isError === true, 'read a file outside');
  }),
});

async function startMemory() {
  const folder = mkdtempSync(join(tmpdir(), 'memory-'));
  const args = [npmEntry('@modelcontextprotocol/server-memory', 'dist/index.js')];
  const env = { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') };
  return { entry: { command: NODE, args, env }, stop: async () => rmSync(folder, { recursive: true }) };
}

const entity = { name: 'Ada', entityType: 'person', observations: ['wrote a program'] };

const memoryChecks = {
  remembers: async (use) => {
    await call('create_entities', { entities: [entity] }, /./)(use);
    await call('read_graph', {}, /wrote a program/)(use);
  },
};

const timeChecks = {
  'tells the time': call('get_current_time', { timezone: 'Etc/UTC' }, /UTC/),
  converts: call('convert_time', { source_timezone: 'Etc/UTC', time: '12:00', target_timezone: 'Asia/Tokyo' }, /21:00/),
};

const search = (session) => session.callTool('web_search', { query: 'queues' });

/** Calls until one is let in; whoever is refused keeps the session. */
const letIn = (session) => until(() => search(session).then(() => true, () => false), 'is never let in again');

const limitedChecks = {
  'hears of a limit and goes on': (use) => use({}, async (session) => {
    await letIn(session);
    const error = await refusal(search(session));
    // Both generations fail the request as one of HTTP, with the body in its message.
    expect(/Limit reached: 2 in 1 s per tool/.test(error.message), `was told ${error.message}`);
    await letIn(session);
  }),
};

const everythingOverHttp = () => startServer(NODE, ['-r', join(TESTS, 'peers/bind-local.cjs'), EVERYTHING, 'streamableHttp'], { PORT: '0' });

const PYTHON_SERVER = join(TESTS, 'peers/python_server.py');
const pythonOverHttp = () => startServer(PYTHON, [PYTHON_SERVER, '--http']);
const pythonOverStdio = { command: PYTHON, args: [PYTHON_SERVER, '--stdio'] };

const server = (name, start, checks, settings = {}) => (
  { name, start, checks: typeof checks === 'function' ? checks : () => checks, settings }
);

export const SERVERS = [
  server('modern-http', http(() => startReference('modern')), REFERENCE_CHECKS),
  server('legacy-http', http(() => startReference('legacy')), REFERENCE_CHECKS),
  server('modern-stdio', local({ command: NODE, args: [reference('modern'), '--stdio'] }), REFERENCE_CHECKS),
  server('legacy-stdio', local({ command: NODE, args: [reference('legacy'), '--stdio'] }), REFERENCE_CHECKS),
  // One server of both eras, which the gateway is told to speak to in one of them.
  server('python-modern-http', http(pythonOverHttp, { era: 'modern' }), QUESTION_CHECKS),
  server('python-legacy-http', http(pythonOverHttp, { era: 'legacy' }), QUESTION_CHECKS),
  server('python-modern-stdio', local({ ...pythonOverStdio, era: 'modern' }), QUESTION_CHECKS),
  server('python-legacy-stdio', local({ ...pythonOverStdio, era: 'legacy' }), QUESTION_CHECKS),
  server('everything-http', http(everythingOverHttp), everythingChecks),
  server('everything-stdio', local({ command: NODE, args: [EVERYTHING, 'stdio'] }), everythingChecks),
  server('filesystem-stdio', startFilesystem, filesystemChecks),
  server('memory-stdio', startMemory, memoryChecks),
  server('limited', local({ command: resolve(gatewayBinary()), args: ['demo', 'search'] }), limitedChecks, {
    limits: [{ per: 'tool', rate: '2/s', burst: 1 }],
  }),
  server('time-stdio', local({ command: join(PEERS, 'venv/bin/mcp-server-time') }), timeChecks),
];
