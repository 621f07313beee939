// Reference server of the modern era only (2026-07-28): the catalog on @modelcontextprotocol/server, over HTTP or over stdio.
// It keeps nothing between requests but the counters of the catalog; a request of an older revision is refused.
//
//   node modern.mjs --http PORT      prints READY http://127.0.0.1:PORT/mcp (0 picks a port)
//   node modern.mjs --stdio

import { createServer } from 'node:http';
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from '@modelcontextprotocol/node';
import {
  CLIENT_CAPABILITIES_META_KEY, McpServer, ProtocolError, ProtocolErrorCode, createMcpHandler, createRequestStateCodec, fromJsonSchema,
} from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { PROMPTS, RESOURCES, TEMPLATE, complete, tools } from './catalog.mjs';
import { announce, templateId } from './serve.mjs';

const codec = createRequestStateCodec({ key: crypto.getRandomValues(new Uint8Array(32)) });
const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {},
};
const schemas = new Map();

/** Thrown by `ask` to leave a tool whose questions have no answer yet. */
class Unanswered extends Error {
  constructor(questions, answers, state) {
    super('input required');
    Object.assign(this, { questions, answers, state });
  }
}

const ANSWERS = {
  'elicitation/create': (answer) => typeof answer.action === 'string',
  'sampling/createMessage': (answer) => answer.content !== undefined,
  'roots/list': (answer) => Array.isArray(answer.roots),
};

function isAnswer(question, answer) {
  return typeof answer === 'object' && answer !== null && ANSWERS[question.method](answer);
}

/** Answers of earlier rounds come back in the sealed state, those of this round beside it. */
function ask(ctx, questions, { state = 'none' } = {}) {
  const known = { ...ctx.mcpReq.requestState()?.answers, ...ctx.mcpReq.inputResponses };
  const open = Object.entries(questions).filter(([key, question]) => !isAnswer(question, known[key]));
  if (open.length > 0) throw new Unanswered(Object.fromEntries(open), known, state);
  return known;
}

function callOf(args, ctx, notifier) {
  const declared = ctx.mcpReq.envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
  const progressToken = ctx.mcpReq._meta?.progressToken;
  return {
    args: args ?? {},
    signal: ctx.mcpReq.signal,
    ask: (questions, options) => ask(ctx, questions, options),
    declares: (kind) => declared[kind] !== undefined,
    log: (level, data) => ctx.mcpReq.log(level, data, 'modern'),
    progress: async (progress, total) => {
      if (progressToken === undefined) return;
      await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total } });
    },
    changed: (kind) => notifier[kind](),
    updated: (uri) => notifier.updated(uri),
    dropStream: () => undefined,
  };
}

async function answer(run, call) {
  try {
    return await run(call);
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error;
    const result = { resultType: 'input_required', inputRequests: error.questions };
    if (error.state === 'sealed') result.requestState = await codec.mint({ answers: error.answers, nonce: crypto.randomUUID() });
    return result;
  }
}

function schemaOf({ name, inputSchema }) {
  if (!schemas.has(name)) schemas.set(name, fromJsonSchema(inputSchema));
  return schemas.get(name);
}

function find(entries, matches, what) {
  const entry = entries.find(matches);
  if (entry === undefined) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `${what} not found`);
  return entry;
}

const listed = (entries) => entries.map(({ run, read, ...entry }) => entry);

function readResource(uri) {
  const id = templateId(uri);
  if (id !== undefined) return TEMPLATE.read(uri, id);
  return find(RESOURCES, (resource) => resource.uri === uri, 'Resource').read(uri);
}

function handlePrompts(server, notifier) {
  server.setRequestHandler('prompts/list', () => ({ prompts: listed(PROMPTS) }));
  server.setRequestHandler('prompts/get', (request, ctx) => {
    const prompt = find(PROMPTS, ({ name }) => name === request.params.name, 'Prompt');
    return answer(prompt.run, callOf(request.params.arguments, ctx, notifier));
  });
  server.setRequestHandler('completion/complete', (request) => complete(request.params.argument));
}

function handleResources(server) {
  server.setRequestHandler('resources/list', () => ({ resources: listed(RESOURCES) }));
  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: listed([TEMPLATE]) }));
  server.setRequestHandler('resources/read', (request) => readResource(request.params.uri));
}

/** One server for one HTTP request or one stdio connection. */
function build(notifierOf) {
  const mcp = new McpServer({ name: 'reference-modern', version: '1.0.0' }, {
    capabilities: CAPABILITIES,
    requestState: { verify: codec.verify },
  });
  const notifier = notifierOf(mcp.server);
  for (const tool of tools()) {
    const config = { description: tool.description, inputSchema: schemaOf(tool) };
    mcp.registerTool(tool.name, config, (args, ctx) => answer(tool.run, callOf(args, ctx, notifier)));
  }
  handlePrompts(mcp.server, notifier);
  handleResources(mcp.server);
  return mcp;
}

function serveHttp(port) {
  const handler = createMcpHandler(() => build(() => notifier), { legacy: 'reject' });
  const notifier = {
    tools: () => handler.notify.toolsChanged(),
    prompts: () => handler.notify.promptsChanged(),
    resources: () => handler.notify.resourcesChanged(),
    updated: (uri) => handler.notify.resourceUpdated(uri),
  };
  const guards = [localhostHostValidation(), localhostOriginValidation()];
  const serve = toNodeHandler(handler);
  const http = createServer((req, res) => {
    if (guards.every((guard) => guard(req, res))) void serve(req, res);
  });
  http.listen(port, '127.0.0.1', () => announce(http));
}

function serveOverStdio() {
  const notifierOf = (server) => ({
    tools: () => server.sendToolListChanged(),
    prompts: () => server.sendPromptListChanged(),
    resources: () => server.sendResourceListChanged(),
    updated: (uri) => server.sendResourceUpdated({ uri }),
  });
  serveStdio(() => build(notifierOf), { legacy: 'reject' });
}

const [mode, port] = process.argv.slice(2);
if (mode === '--http') serveHttp(Number(port));
else serveOverStdio();
