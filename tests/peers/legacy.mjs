// Reference server of the legacy era only (2025-11-25 and older): the catalog on @modelcontextprotocol/sdk 1.x, over HTTP with sessions
// and resumable streams, or over stdio. It asks its questions in the middle of a call, as that era does.
//
// A question carries the key that the 2026 scenarios expect, as `_meta["myelin/inputKey"]`: a legacy request has no other place for it.
//
//   node legacy.mjs --http PORT      prints READY http://127.0.0.1:PORT/mcp (0 picks a port)
//   node legacy.mjs --stdio

import { createServer } from 'node:http';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema, CompleteRequestSchema, ErrorCode, GetPromptRequestSchema, ListPromptsRequestSchema,
  ListResourceTemplatesRequestSchema, ListResourcesRequestSchema, ListToolsRequestSchema, McpError, ReadResourceRequestSchema,
  ResultSchema, SetLevelRequestSchema, SubscribeRequestSchema, UnsubscribeRequestSchema, isInitializeRequest,
} from '@modelcontextprotocol/sdk/types.js';
import { PROMPTS, RESOURCES, TEMPLATE, complete, tools } from './catalog.mjs';
import { EventLog } from './event-log.mjs';
import { announce, templateId } from './serve.mjs';

const RESOURCE_NOT_FOUND = -32002;
const RETRY_MS = 100;
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];
const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {},
};

/** Every live session, because a list changes for all of them. */
const sessions = new Set();

const ANNOUNCE = {
  tools: (server) => server.sendToolListChanged(),
  prompts: (server) => server.sendPromptListChanged(),
  resources: (server) => server.sendResourceListChanged(),
};

/** A listener that went away must not fail the call that made the change. */
const quietly = (sending) => sending.catch(() => undefined);

const listed = (entries) => entries.map(({ run, read, ...entry }) => entry);

function find(entries, matches, code, what) {
  const entry = entries.find(matches);
  if (entry === undefined) throw new McpError(code, `${what} not found`);
  return entry;
}

/** What only this era has: a name for the page that is to be visited. */
const ownMembers = ({ mode }) => (mode === 'url' ? { elicitationId: crypto.randomUUID() } : {});

async function ask(extra, questions) {
  const answers = Object.entries(questions).map(async ([key, { method, params }]) => {
    const question = { method, params: { ...params, ...ownMembers(params), _meta: { 'myelin/inputKey': key } } };
    return [key, await extra.sendRequest(question, ResultSchema)];
  });
  return Object.fromEntries(await Promise.all(answers));
}

class Session {
  constructor() {
    this.level = 'debug';
    this.watched = new Set();
    this.server = new Server({ name: 'reference-legacy', version: '1.0.0' }, { capabilities: CAPABILITIES });
    this.handleTools();
    this.handlePrompts();
    this.handleResources();
    this.handleSubscriptions();
    this.server.setRequestHandler(SetLevelRequestSchema, ({ params }) => {
      this.level = params.level;
      return {};
    });
  }

  async open(transport) {
    sessions.add(this);
    this.server.onclose = () => sessions.delete(this);
    await this.server.connect(transport);
  }

  callOf(args, extra) {
    const progressToken = extra._meta?.progressToken;
    return {
      args: args ?? {},
      signal: extra.signal,
      ask: (questions) => ask(extra, questions),
      declares: (kind) => this.server.getClientCapabilities()?.[kind] !== undefined,
      log: async (level, data) => {
        if (LEVELS.indexOf(level) < LEVELS.indexOf(this.level)) return;
        await extra.sendNotification({ method: 'notifications/message', params: { level, logger: 'legacy', data } });
      },
      progress: async (progress, total) => {
        if (progressToken === undefined) return;
        await extra.sendNotification({ method: 'notifications/progress', params: { progressToken, progress, total } });
      },
      changed: (kind) => Promise.all([...sessions].map(({ server }) => quietly(ANNOUNCE[kind](server)))),
      updated: (uri) => Promise.all([...sessions]
        .filter(({ watched }) => watched.has(uri))
        .map(({ server }) => quietly(server.sendResourceUpdated({ uri })))),
      dropStream: () => extra.closeSSEStream?.(),
    };
  }

  handleTools() {
    this.server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: listed(tools()) }));
    this.server.setRequestHandler(CallToolRequestSchema, ({ params }, extra) => {
      const tool = find(tools(), ({ name }) => name === params.name, ErrorCode.InvalidParams, 'Tool');
      return tool.run(this.callOf(params.arguments, extra));
    });
  }

  handlePrompts() {
    this.server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts: listed(PROMPTS) }));
    this.server.setRequestHandler(GetPromptRequestSchema, ({ params }, extra) => {
      const prompt = find(PROMPTS, ({ name }) => name === params.name, ErrorCode.InvalidParams, 'Prompt');
      return prompt.run(this.callOf(params.arguments, extra));
    });
    this.server.setRequestHandler(CompleteRequestSchema, ({ params }) => complete(params.argument));
  }

  handleResources() {
    this.server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: listed(RESOURCES) }));
    this.server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: listed([TEMPLATE]) }));
    this.server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => {
      const id = templateId(uri);
      if (id !== undefined) return TEMPLATE.read(uri, id);
      return find(RESOURCES, (resource) => resource.uri === uri, RESOURCE_NOT_FOUND, 'Resource').read(uri);
    });
  }

  handleSubscriptions() {
    this.server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
      this.watched.add(params.uri);
      return {};
    });
    this.server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
      this.watched.delete(params.uri);
      return {};
    });
  }
}

const LOCAL_NAMES = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** Refuses the requests of a page whose name was rebound to this machine. */
function isLocal({ host, origin }) {
  const nameOf = (url) => URL.parse(url)?.hostname;
  return LOCAL_NAMES.has(nameOf(`http://${host}`)) && (origin === undefined || LOCAL_NAMES.has(nameOf(origin)));
}

function refuse(res, status, message) {
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32000, message } }));
}

async function bodyOf(req) {
  const chunks = await Array.fromAsync(req);
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString());
}

async function openTransport(transports) {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => crypto.randomUUID(),
    eventStore: new EventLog(),
    retryInterval: RETRY_MS,
    onsessioninitialized: (id) => transports.set(id, transport),
    onsessionclosed: (id) => transports.delete(id),
  });
  await new Session().open(transport);
  return transport;
}

async function handle(transports, req, res) {
  if (!isLocal(req.headers)) return refuse(res, 403, 'host or origin not allowed');
  const body = req.method === 'POST' ? await bodyOf(req) : undefined;
  const id = req.headers['mcp-session-id'];
  if (id !== undefined && !transports.has(id)) return refuse(res, 404, 'session not found');
  if (id === undefined && !isInitializeRequest(body)) return refuse(res, 400, 'session id required');
  const transport = transports.get(id) ?? await openTransport(transports);
  return transport.handleRequest(req, res, body);
}

function serveHttp(port) {
  const transports = new Map();
  const http = createServer((req, res) => {
    handle(transports, req, res).catch((error) => {
      if (!res.headersSent) refuse(res, 400, String(error));
    });
  });
  http.listen(port, '127.0.0.1', () => announce(http));
}

const [mode, port] = process.argv.slice(2);
if (mode === '--http') serveHttp(Number(port));
else await new Session().open(new StdioServerTransport());
