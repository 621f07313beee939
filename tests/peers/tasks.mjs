// Reference server of the extension io.modelcontextprotocol/tasks (2026-07-28), with the tools that the suite's scenarios of tasks call.
// Written by hand: it says exactly what the extension's text says, on plain HTTP or stdio.
//
//   node tasks.mjs --http PORT      prints READY http://127.0.0.1:PORT/mcp (0 picks a port)
//   node tasks.mjs --stdio

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { announce } from './serve.mjs';

const EXTENSION = 'io.modelcontextprotocol/tasks';
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const OVER = ['completed', 'failed', 'cancelled'];
const NAMED_BY = { 'tools/call': 'name', 'tasks/get': 'taskId', 'tasks/update': 'taskId', 'tasks/cancel': 'taskId' };

class Fault extends Error {
  constructor(code, message, { data, status = 200 } = {}) {
    super(message);
    Object.assign(this, { code, data, status });
  }
}

const needsTasks = () => new Fault(-32021, 'This needs the extension for tasks', {
  data: { requiredCapabilities: { extensions: { [EXTENSION]: {} } } }, status: 400,
});

const text = (said, more = {}) => ({ content: [{ type: 'text', text: said }], ...more });

function elicit(message) {
  const properties = { name: { type: 'string' }, confirm: { type: 'boolean' } };
  return { method: 'elicitation/create', params: { mode: 'form', message, requestedSchema: { type: 'object', properties } } };
}

// --- tasks -------------------------------------------------------------------------------------------------------------

const tasks = new Map();

/** Makes a task that `work` settles. */
function make(work) {
  const now = new Date().toISOString();
  const shown = { taskId: randomUUID(), status: 'working', createdAt: now, lastUpdatedAt: now, ttlMs: 60_000, pollIntervalMs: 50 };
  const task = { shown, more: {}, asked: {}, answers: {}, finish: undefined };
  tasks.set(shown.taskId, task);
  setImmediate(work, task);
  return { resultType: 'task', ...shown };
}

function settle(task, status, more = {}) {
  if (OVER.includes(task.shown.status)) return;
  Object.assign(task.shown, { status, lastUpdatedAt: new Date().toISOString() });
  task.more = more;
}

const complete = (task, result) => settle(task, 'completed', { result });

/** Has the task wait for answers; `finish` makes the result of them. */
function wait(task, asked, finish) {
  Object.assign(task, { asked, finish });
  settle(task, 'input_required');
}

function find(id) {
  const task = tasks.get(id);
  if (task === undefined) throw new Fault(-32602, `Unknown task ${id}`);
  return task;
}

function show({ shown, more, asked }) {
  return { ...shown, ...(shown.status === 'input_required' && { inputRequests: asked }), ...more };
}

function update(task, answers) {
  for (const [key, answer] of Object.entries(answers).filter(([key]) => key in task.asked)) {
    task.answers[key] = answer;
    delete task.asked[key];
  }
  if (task.finish !== undefined && Object.keys(task.asked).length === 0) complete(task, task.finish(task.answers));
}

// --- tools -------------------------------------------------------------------------------------------------------------

/** A tool that runs as a task only. */
const only = (work) => (args, { declared, ...params }) => {
  if (!declared) throw needsTasks();
  return work(args, params);
};

function compute({ seconds = 0, label }, { declared }) {
  const result = text(`computed ${label}`);
  if (!declared || seconds === 0) return result;
  return make((task) => setTimeout(complete, seconds * 1000, task, result).unref());
}

/** Asks before it makes a task, and says in the task what it was told. */
function introduce(_, { inputResponses, requestState }) {
  if (inputResponses === undefined) {
    return { resultType: 'input_required', inputRequests: { user_name: elicit('Your name?') }, requestState: 'asked' };
  }
  if (requestState !== 'asked') throw new Fault(-32602, 'Not the state that was given');
  return make((task) => complete(task, text(`Hello, ${inputResponses.user_name?.content?.name}!`)));
}

const TOOLS = {
  greet: ({ name }) => text(`Hello, ${name}!`),
  slow_compute: compute,
  failing_job: only(() => make((task) => complete(task, text('it failed', { isError: true })))),
  protocol_error_job: only(() => make((task) => settle(task, 'failed', { error: { code: -32603, message: 'it broke' } }))),
  confirm_delete: only(({ filename }) => make((task) => wait(task, { confirm: elicit(`Delete ${filename}?`) }, () => text(`deleted ${filename}`)))),
  multi_input: only(() => make((task) => wait(task, { one: elicit('One?'), two: elicit('Two?') }, (answers) => text(JSON.stringify(answers))))),
  test_tool_with_task: only(introduce),
};

// --- methods -----------------------------------------------------------------------------------------------------------

const LASTING = { ttlMs: 60_000, cacheScope: 'public' };

const METHODS = {
  'server/discover': () => ({
    supportedVersions: ['2026-07-28'], capabilities: { tools: {}, extensions: { [EXTENSION]: {} } }, ...LASTING,
  }),
  'tools/list': () => ({ tools: Object.keys(TOOLS).map((name) => ({ name, inputSchema: { type: 'object' } })), ...LASTING }),
  'tools/call': ({ name, arguments: args = {}, ...params }, declared) => {
    if (!Object.hasOwn(TOOLS, name)) throw new Fault(-32602, `Unknown tool ${name}`);
    return TOOLS[name](args, { ...params, declared });
  },
  'tasks/get': ({ taskId }) => show(find(taskId)),
  'tasks/update': ({ taskId, inputResponses }) => { update(find(taskId), inputResponses); },
  'tasks/cancel': ({ taskId }) => { settle(find(taskId), 'cancelled'); },
};

function result({ method, params = {} }) {
  if (!Object.hasOwn(METHODS, method)) throw new Fault(-32601, `Method not found: ${method}`, { status: 404 });
  const declared = params._meta?.[CAPABILITIES]?.extensions?.[EXTENSION] !== undefined;
  if (method.startsWith('tasks/') && !declared) throw needsTasks();
  return { resultType: 'complete', ...METHODS[method](params, declared) };
}

/** @returns the HTTP status and the response; `check` may refuse the request. */
function answer(request, check = () => {}) {
  try {
    check(request);
    return [200, { jsonrpc: '2.0', id: request.id, result: result(request) }];
  } catch (fault) {
    if (!(fault instanceof Fault)) throw fault;
    const { code, message, data } = fault;
    return [fault.status, { jsonrpc: '2.0', id: request.id, error: { code, message, ...(data !== undefined && { data }) } }];
  }
}

// --- wires -------------------------------------------------------------------------------------------------------------

/** Refuses headers that do not say what the body says. */
const checkHeaders = (headers) => ({ method, params = {} }) => {
  const name = params[NAMED_BY[method]];
  const agrees = headers['mcp-method'] === method && (name === undefined || headers['mcp-name'] === name);
  if (!agrees) throw new Fault(-32020, 'The headers are not what the body says', { status: 400 });
};

async function serve(request, response) {
  if (request.method !== 'POST') return response.writeHead(405).end();
  let body = '';
  for await (const piece of request) body += piece;
  const message = JSON.parse(body);
  if (message.id === undefined) return response.writeHead(202).end();
  const [status, answered] = answer(message, checkHeaders(request.headers));
  return response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answered));
}

if (process.argv[2] === '--stdio') {
  createInterface({ input: process.stdin }).on('line', (line) => {
    const message = JSON.parse(line);
    if (message.id !== undefined) process.stdout.write(`${JSON.stringify(answer(message)[1])}\n`);
  });
} else {
  const http = createServer(serve);
  http.listen(Number(process.argv[3]), '127.0.0.1', () => announce(http));
}
