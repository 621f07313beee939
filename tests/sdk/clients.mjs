// The public TypeScript clients behind one interface: SDK 1.x (legacy), and SDK 2.x as legacy, as automatic and pinned to 2026-07-28.
// A client answers the questions of a server with `answers`, and hands notifications to `onNotice`.

import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema, LoggingMessageNotificationSchema,
  PromptListChangedNotificationSchema, ResourceListChangedNotificationSchema, ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';

const INFO = { name: 'myelin-tests', version: '1.0.0' };
const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';

const QUESTIONS = {
  elicitation: { method: 'elicitation/create', schema: ElicitRequestSchema, capability: { form: {}, url: {} } },
  sampling: { method: 'sampling/createMessage', schema: CreateMessageRequestSchema, capability: { tools: {} } },
  roots: { method: 'roots/list', schema: ListRootsRequestSchema, capability: {} },
};
const NOTICES = {
  'notifications/message': LoggingMessageNotificationSchema,
  'notifications/tools/list_changed': ToolListChangedNotificationSchema,
  'notifications/prompts/list_changed': PromptListChangedNotificationSchema,
  'notifications/resources/list_changed': ResourceListChangedNotificationSchema,
  'notifications/resources/updated': ResourceUpdatedNotificationSchema,
};
const NEGOTIATION = {
  'ts2-legacy': undefined,
  'ts2-auto': { mode: 'auto' },
  'ts2-modern': { mode: { pin: '2026-07-28' } },
};

export const TYPESCRIPT_CLIENTS = ['ts1', ...Object.keys(NEGOTIATION)];

const capabilitiesOf = (answers) => Object.fromEntries(Object.keys(answers).map((kind) => [kind, QUESTIONS[kind].capability]));

/** What both generations of the SDK have in common. */
class Session {
  constructor(client, transport) {
    Object.assign(this, { client, transport });
  }

  listTools = async () => (await this.client.listTools()).tools;
  listPrompts = async () => (await this.client.listPrompts()).prompts;
  listResources = async () => (await this.client.listResources()).resources;
  listTemplates = async () => (await this.client.listResourceTemplates()).resourceTemplates;
  readResource = async (uri) => (await this.client.readResource({ uri })).contents;
  getPrompt = async (name, args) => (await this.client.getPrompt({ name, arguments: args })).messages;
  complete = async (ref, argument) => (await this.client.complete({ ref, argument })).completion.values;
}

class SessionV1 extends Session {
  isModern = false;
  callTool = (name, args = {}, { logLevel, ...options } = {}) => this.client.callTool({ name, arguments: args }, undefined, options);
  logAt = (level) => this.client.setLoggingLevel(level);
  watch = (uri) => this.client.subscribeResource({ uri });
  close = async () => {
    await this.transport.terminateSession();
    await this.client.close();
  };
}

class SessionV2 extends Session {
  get isModern() {
    return this.client.getProtocolEra() === 'modern';
  }

  #meta(level) {
    return this.isModern && level !== undefined ? { _meta: { [LOG_LEVEL]: level } } : {};
  }

  callTool = (name, args = {}, { logLevel, ...options } = {}) => (
    this.client.callTool({ name, arguments: args, ...this.#meta(logLevel) }, options)
  );
  logAt = async (level) => (this.isModern ? undefined : this.client.setLoggingLevel(level));

  /** Tells the server to send what changes: by subscription in the legacy era, by a listening stream in the modern one. */
  watch = async (uri) => {
    if (!this.isModern) return this.client.subscribeResource({ uri });
    const everything = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true, resourceSubscriptions: [uri] };
    this.subscription = await this.client.listen(everything);
    return this.subscription;
  };
  close = async () => {
    await this.subscription?.close();
    if (!this.isModern) await this.transport.terminateSession();
    await this.client.close();
  };
}

/** Connects, and once more after `again` made something of the error: a client that has to sign in first does so there. */
async function connect(client, Transport, url, { http, again }) {
  const transport = new Transport(new URL(url), http);
  try {
    await client.connect(transport);
    return transport;
  } catch (error) {
    if (again === undefined) throw error;
    await again(error, transport);
    return connect(client, Transport, url, { http });
  }
}

async function openV1(url, { answers, onNotice, ...wire }) {
  const client = new ClientV1(INFO, { capabilities: capabilitiesOf(answers) });
  for (const [kind, answer] of Object.entries(answers)) client.setRequestHandler(QUESTIONS[kind].schema, ({ params }) => answer(params));
  for (const [method, schema] of Object.entries(NOTICES)) client.setNotificationHandler(schema, ({ params }) => onNotice(method, params));
  const transport = await connect(client, HttpV1, url, wire);
  return new SessionV1(client, transport);
}

async function openV2(url, kind, { answers, onNotice, ...wire }) {
  const client = new ClientV2(INFO, { capabilities: capabilitiesOf(answers), versionNegotiation: NEGOTIATION[kind] });
  for (const [question, answer] of Object.entries(answers)) client.setRequestHandler(QUESTIONS[question].method, ({ params }) => answer(params));
  for (const method of Object.keys(NOTICES)) client.setNotificationHandler(method, ({ params }) => onNotice(method, params));
  const transport = await connect(client, HttpV2, url, wire);
  return new SessionV2(client, transport);
}

/** Connects a client of `kind` (one of TYPESCRIPT_CLIENTS) to `url`; `http` is for the SDK's transport, `again` see `connect`. */
export function open(kind, url, { answers = {}, onNotice = () => undefined, http, again } = {}) {
  const settings = { answers, onNotice, http, again };
  return kind === 'ts1' ? openV1(url, settings) : openV2(url, kind, settings);
}
