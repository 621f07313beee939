// Client mode: starts the gateway with the suite's scenario server as its only upstream, does through it what the scenario wants to see,
// and stops it. The scenario server judges the requests that reach it; the driver only has to cause them.

import { startGateway } from '../peers/processes.mjs';
import { open } from '../sdk/clients.mjs';

const INVALID_TOOLS = [
  'invalid_empty_header', 'invalid_object_header', 'invalid_array_header', 'invalid_null_header', 'invalid_duplicate_same_case',
  'invalid_duplicate_diff_case', 'invalid_space_in_name', 'invalid_colon_in_name', 'invalid_non_ascii_name', 'invalid_control_char_name',
];

/** A call that may be refused: by the client, the gateway or the scenario server. */
const attempt = (calling) => calling.catch(() => undefined);

/** Accepts a form with the defaults of its schema. */
function acceptDefaults({ requestedSchema }) {
  const defaults = Object.entries(requestedSchema.properties).filter(([, property]) => property.default !== undefined);
  return { action: 'accept', content: Object.fromEntries(defaults.map(([key, property]) => [key, property.default])) };
}

async function callInvalidTools(client) {
  for (const { name } of await client.listTools()) await attempt(client.callTool(name, { region: 'us-west1', value: 'x' }));
  for (const name of INVALID_TOOLS) await attempt(client.callTool(name, { value: 'x' }));
}

async function callWithHeaders(client, { toolCalls }) {
  await client.listTools();
  for (const call of toolCalls) await client.callTool(call.name, call.arguments);
}

async function useEverything(client) {
  for (const { name } of await client.listTools()) await client.callTool(name);
  for (const { uri } of await client.listResources()) await client.readResource(uri);
  for (const { name } of await client.listPrompts()) await client.getPrompt(name);
}

async function roundTrips(client) {
  await client.listTools();
  for (const name of ['test_mrtr_echo_state', 'test_mrtr_no_state', 'test_mrtr_no_result_type']) await client.callTool(name);
}

async function echoSchema(client) {
  const tools = await client.listTools();
  const { inputSchema } = tools.find(({ name }) => name === 'json_schema_2020_12_tool');
  await client.callTool('json_schema_echo', { schema: inputSchema });
}

async function listThenCall(client, name, args) {
  await client.listTools();
  await client.callTool(name, args);
}

const TOOL_OF_PROTECTED = 'test-tool';

const SCENARIOS = {
  initialize: (client) => attempt(client.listTools()),
  tools_call: (client) => listThenCall(client, 'add_numbers', { a: 5, b: 3 }),
  'sse-retry': (client) => listThenCall(client, 'test_reconnection', {}),
  'elicitation-sep1034-client-defaults': (client) => listThenCall(client, 'test_client_elicitation_defaults', {}),
  'request-metadata': (client) => attempt(client.listTools()),
  'http-standard-headers': useEverything,
  'http-custom-headers': callWithHeaders,
  'http-invalid-tool-headers': callInvalidTools,
  'sep-2322-client-request-state': roundTrips,
  'json-schema-ref-no-deref': (client) => client.listTools(),
  'json-schema-2020-12-preservation': echoSchema,
  'auth/client-credentials-basic': (client) => listThenCall(client, TOOL_OF_PROTECTED, {}),
  'auth/client-credentials-jwt': (client) => listThenCall(client, TOOL_OF_PROTECTED, {}),
};

/** What an operator writes for a protected server: who the gateway is at the issuer that the server's metadata names. */
async function credential(url, { client_id: clientId, client_secret: clientSecret, private_key_pem: privateKey }) {
  const { origin, pathname } = new URL(url);
  const metadata = await fetch(`${origin}/.well-known/oauth-protected-resource${pathname}`);
  const issuer = (await metadata.json()).authorization_servers[0];
  const proof = privateKey === undefined ? { clientSecret } : { method: 'privateKeyJwt', privateKey };
  return { clientCredentials: { issuer, clientId, ...proof } };
}

/** The elicitation of one tool is answered with another call in between, which must carry nothing of the first. */
function answersFor(scenario, session) {
  if (scenario === 'elicitation-sep1034-client-defaults') return { elicitation: acceptDefaults };
  if (scenario !== 'sep-2322-client-request-state') return {};
  const confirm = async () => {
    await session().callTool('test_mrtr_unrelated');
    return { action: 'accept', content: { confirmed: true } };
  };
  return { elicitation: confirm };
}

async function drive(url, scenario, context) {
  const kind = process.env.MYELIN_FRONT === 'legacy' ? 'ts1' : 'ts2-modern';
  let session;
  session = await open(kind, url, { answers: answersFor(scenario, () => session) });
  await SCENARIOS[scenario](session, context);
  await session.close();
}

const scenario = process.env.MCP_CONFORMANCE_SCENARIO;
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');
const url = process.argv.at(-1);
const auth = context.client_id === undefined ? {} : { auth: await credential(url, context) };
const gateway = await startGateway({ scenario: { url, ...auth } });
try {
  await drive(gateway.url, scenario, context);
} catch (error) {
  console.error(gateway.program.output);
  throw error;
} finally {
  await gateway.stop();
}
// The SDK's transports may hold a stream open.
process.exit(0);
