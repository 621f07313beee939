// What both reference servers offer: the tools, prompts and resources that the conformance suite calls by name, and a few more that the
// SDK drivers need. A tool is written once, against the small `call` interface below; modern.mjs and legacy.mjs say what it means in
// their era. Not here: anything about a transport, a session or a protocol version.
//
// call.args                       the arguments
// call.ask(questions, options)    answers by key; `questions` is {key: {method, params}}; a modern server leaves the call to ask
// call.declares(kind)             whether the client declared 'elicitation' | 'sampling' | 'roots'
// call.log(level, data)           a log message of this call
// call.progress(done, total)      a progress notification of this call, if the client gave a token
// call.changed(kind)              'tools' | 'prompts' | 'resources': tells every listener that the list changed
// call.updated(uri)               tells the subscribers of uri
// call.dropStream()               ends the response stream in the middle of the call (legacy HTTP only)
// call.signal                     aborted when the client cancels

import { setTimeout as sleep } from 'node:timers/promises';
import { COMPOSED_SCHEMA, DEFAULTS_FORM, ENUMS_FORM, PIXEL_PNG, SILENCE_WAV } from './samples.mjs';

const NO_ARGUMENTS = { type: 'object', properties: {} };
const NAME_FORM = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
const CONFIRM_FORM = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] };

const counters = { cancelled: 0, changes: { tools: 0, prompts: 0, resources: 0 }, updates: 0 };

export const text = (value) => ({ content: [{ type: 'text', text: value }] });
const embedded = (uri, mimeType, body) => ({ type: 'resource', resource: { uri, mimeType, text: body } });
const image = () => ({ type: 'image', data: PIXEL_PNG, mimeType: 'image/png' });

const elicit = (message, requestedSchema) => ({ method: 'elicitation/create', params: { mode: 'form', message, requestedSchema } });
const visit = (message, url) => ({ method: 'elicitation/create', params: { mode: 'url', message, url } });
const sample = (prompt, maxTokens) => ({
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text: prompt } }], maxTokens },
});
const WEATHER_TOOL = { name: 'weather', description: 'Tells the weather', inputSchema: { type: 'object', properties: { city: { type: 'string' } } } };
const sampleWithTools = (prompt, maxTokens) => {
  const { method, params } = sample(prompt, maxTokens);
  return { method, params: { ...params, tools: [WEATHER_TOOL], toolChoice: { mode: 'required' } } };
};
const listRoots = () => ({ method: 'roots/list', params: {} });

const sampledText = (answer) => [answer.content].flat()[0]?.text ?? JSON.stringify(answer.content);
const formText = (answer) => `action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`;

function tool(name, description, run, inputSchema = NO_ARGUMENTS) {
  return { name, description, inputSchema, run };
}

const contentTools = [
  tool('test_simple_text', 'Answers with one text', () => text('This is a simple text response for testing.')),
  tool('test_image_content', 'Answers with an image', () => ({ content: [image()] })),
  tool('test_audio_content', 'Answers with audio', () => ({ content: [{ type: 'audio', data: SILENCE_WAV, mimeType: 'audio/wav' }] })),
  tool('test_embedded_resource', 'Answers with an embedded resource', () => ({
    content: [embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
  })),
  tool('test_multiple_content_types', 'Answers with text, image and resource', () => ({
    content: [
      { type: 'text', text: 'Multiple content types test:' },
      image(),
      embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
    ],
  })),
  tool('test_error_handling', 'Answers with a tool error', () => (
    { ...text('This tool intentionally returns an error for testing'), isError: true }
  )),
  tool('json_schema_2020_12_tool', 'Has the whole JSON Schema 2020-12 vocabulary', (call) => text(JSON.stringify(call.args)), COMPOSED_SCHEMA),
  tool('test_x_mcp_header', 'Has an argument that is mirrored into a header', (call) => text(`region=${call.args.region ?? ''}`), {
    type: 'object',
    properties: { region: { type: 'string', 'x-mcp-header': 'Region' }, level: { type: 'integer' } },
  }),
  tool('test_echo', 'Answers with its arguments', (call) => text(JSON.stringify(call.args)), { type: 'object', additionalProperties: true }),
];

async function logThrice(call) {
  for (const step of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
    await call.log('info', step);
    await sleep(50);
  }
  return text('Tool with logging executed successfully');
}

async function progressThrice(call) {
  for (const done of [0, 50, 100]) {
    await call.progress(done, 100);
    await sleep(50);
  }
  return text('Tool with progress executed successfully');
}

async function waitUntilCancelled(call) {
  await call.progress(0, 1);
  try {
    await sleep(call.args.ms, undefined, { signal: call.signal });
    return text('waited');
  } catch {
    counters.cancelled += 1;
    return text('cancelled');
  }
}

const streamTools = [
  tool('test_tool_with_logging', 'Logs three messages', logThrice),
  tool('test_tool_with_progress', 'Reports progress three times', progressThrice),
  tool('test_logging_tool', 'Logs one message', async (call) => {
    await call.log('info', 'test_logging_tool ran');
    return text('logged');
  }),
  tool('test_streaming_elicitation', 'Answers without a question', () => text('no request on the stream')),
  tool('test_reconnection', 'Ends its stream before it answers', async (call) => {
    await call.dropStream();
    await sleep(100);
    return text('Reconnection test completed successfully');
  }),
  tool('test_wait', 'Waits, and counts when it is cancelled', waitUntilCancelled, {
    type: 'object', properties: { ms: { type: 'integer' } }, required: ['ms'],
  }),
  tool('test_cancelled_count', 'How many waits were cancelled', () => text(String(counters.cancelled))),
];

async function change(call, kind) {
  counters.changes[kind] += 1;
  await call.changed(kind);
  return text(`${kind} changed ${counters.changes[kind]} times`);
}

const changeTools = [
  tool('test_trigger_tool_change', 'Changes the list of tools', (call) => change(call, 'tools')),
  tool('test_trigger_prompt_change', 'Changes the list of prompts', (call) => change(call, 'prompts')),
  tool('test_trigger_resource_change', 'Changes the list of resources', (call) => change(call, 'resources')),
  tool('test_update_watched', 'Updates test://watched-resource', async (call) => {
    counters.updates += 1;
    await call.updated('test://watched-resource');
    return text(`updated ${counters.updates} times`);
  }),
];

// One question each; these are the tools of the 2025 scenarios.
const questionTools = [
  tool('test_sampling', 'Asks the client for a completion', async (call) => {
    const { answer } = await call.ask({ answer: sample(call.args.prompt, 100) });
    return text(`LLM response: ${sampledText(answer)}`);
  }, { type: 'object', properties: { prompt: { type: 'string' } }, required: ['prompt'] }),
  tool('test_elicitation', 'Asks the user', async (call) => {
    const form = { type: 'object', properties: { response: { type: 'string', description: "User's response" } }, required: ['response'] };
    const { answer } = await call.ask({ answer: elicit(call.args.message, form) });
    return text(`User response: ${formText(answer)}`);
  }, { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] }),
  tool('test_elicitation_url', 'Asks the user to visit a page', async (call) => {
    const { answer } = await call.ask({ answer: visit('Please sign in', 'https://example.com/sign-in?state=%20') });
    return text(`User response: action=${answer.action}`);
  }),
  tool('test_sampling_with_tools', 'Asks the client for a completion that uses a tool', async (call) => {
    const { answer } = await call.ask({ answer: sampleWithTools('How is the weather?', 100) });
    const use = [answer.content].flat().find(({ type }) => type === 'tool_use');
    return text(`LLM used ${use?.name} with ${JSON.stringify(use?.input)}`);
  }),
  tool('test_elicitation_sep1034_defaults', 'Asks with defaults', async (call) => {
    const { answer } = await call.ask({ answer: elicit('Please review and update the form fields with defaults', DEFAULTS_FORM) });
    return text(`Elicitation completed: ${formText(answer)}`);
  }),
  tool('test_elicitation_sep1330_enums', 'Asks with every kind of enum', async (call) => {
    const { answer } = await call.ask({ answer: elicit('Please select options from the enum fields', ENUMS_FORM) });
    return text(`Elicitation completed: ${formText(answer)}`);
  }),
  tool('test_missing_capability', 'Needs sampling', async (call) => {
    const { llm_answer: answer } = await call.ask({ llm_answer: sample('Reply with the single word: pong', 16) });
    return text(`sampled ${sampledText(answer)}`);
  }),
];

// The tools of the 2026 input-required scenarios. The keys are the suite's.
const roundTripTools = [
  tool('test_input_required_result_elicitation', 'Asks for a name', async (call) => {
    const { user_name: answer } = await call.ask({ user_name: elicit('What is your name?', NAME_FORM) });
    return text(`Hello, ${answer.content?.name ?? 'stranger'}!`);
  }),
  tool('test_input_required_result_sampling', 'Asks for a completion', async (call) => {
    const { capital_question: answer } = await call.ask({ capital_question: sample('What is the capital of France?', 100) });
    return text(`Sampling response: ${sampledText(answer)}`);
  }),
  tool('test_input_required_result_list_roots', 'Asks for the roots', async (call) => {
    const { client_roots: answer } = await call.ask({ client_roots: listRoots() });
    return text(`Roots: ${answer.roots.map((root) => root.uri).join(', ')}`);
  }),
  tool('test_input_required_result_request_state', 'Asks, with sealed state', async (call) => {
    await call.ask({ confirm: elicit('Please confirm', CONFIRM_FORM) }, { state: 'sealed' });
    return text('state-ok');
  }),
  tool('test_input_required_result_tampered_state', 'Asks, with sealed state', async (call) => {
    await call.ask({ confirm: elicit('Please confirm', CONFIRM_FORM) }, { state: 'sealed' });
    return text('integrity-ok');
  }),
  tool('test_input_required_result_multiple_inputs', 'Asks three things at once', async (call) => {
    const answers = await call.ask({
      user_name: elicit('What is your name?', NAME_FORM),
      greeting: sample('Generate a greeting', 50),
      client_roots: listRoots(),
    }, { state: 'sealed' });
    return text(`${sampledText(answers.greeting)} ${answers.user_name.content?.name}, ${answers.client_roots.roots.length} roots`);
  }),
  tool('test_input_required_result_multi_round', 'Asks twice, one after the other', async (call) => {
    const { step1 } = await call.ask({ step1: elicit('Step 1: What is your name?', NAME_FORM) }, { state: 'sealed' });
    const colour = { type: 'object', properties: { color: { type: 'string' } }, required: ['color'] };
    const { step2 } = await call.ask({ step2: elicit('Step 2: What is your favorite color?', colour) }, { state: 'sealed' });
    return text(`${step1.content?.name} likes ${step2.content?.color}`);
  }),
  tool('test_input_required_result_capabilities', 'Asks only what the client declared', async (call) => {
    const questions = {};
    if (call.declares('elicitation')) questions.user_name = elicit('What is your name?', NAME_FORM);
    if (call.declares('sampling')) questions.greeting = sample('Generate a short greeting', 50);
    if (call.declares('roots')) questions.client_roots = listRoots();
    const answers = await call.ask(questions);
    return text(`answered: ${Object.keys(answers).sort().join(', ')}`);
  }),
];

/** @returns the tools as they are now; a description tells how often the list was changed. */
export function tools() {
  const count = { name: 'test_change_count', description: `tools changed ${counters.changes.tools} times` };
  return [
    ...contentTools, ...streamTools, ...changeTools, ...questionTools, ...roundTripTools,
    { ...count, inputSchema: NO_ARGUMENTS, run: () => text(String(counters.changes.tools)) },
  ];
}

const userSays = (...contents) => ({ messages: contents.map((content) => ({ role: 'user', content })) });
const say = (value) => ({ type: 'text', text: value });

export const PROMPTS = [
  {
    name: 'test_simple_prompt', title: 'Simple Test Prompt', description: 'No arguments',
    run: () => userSays(say('This is a simple prompt for testing.')),
  },
  {
    name: 'test_prompt_with_arguments',
    description: 'Two required arguments',
    arguments: [{ name: 'arg1', description: 'First', required: true }, { name: 'arg2', description: 'Second', required: true }],
    run: (call) => userSays(say(`Prompt with arguments: arg1='${call.args.arg1}', arg2='${call.args.arg2}'`)),
  },
  {
    name: 'test_prompt_with_embedded_resource',
    description: 'Embeds a resource',
    arguments: [{ name: 'resourceUri', description: 'The resource', required: true }],
    run: (call) => userSays(
      embedded(call.args.resourceUri, 'text/plain', 'Embedded resource content for testing.'),
      say('Please process the embedded resource above.'),
    ),
  },
  { name: 'test_prompt_with_image', description: 'Has an image', run: () => userSays(image(), say('Please analyze the image above.')) },
  {
    name: 'test_input_required_result_prompt',
    description: 'Asks before it renders',
    run: async (call) => {
      const form = { type: 'object', properties: { context: { type: 'string' } }, required: ['context'] };
      const { user_context: answer } = await call.ask({ user_context: elicit('What context should the prompt use?', form) });
      return userSays(say(`Use the following context: ${answer.content?.context}`));
    },
  },
];

const plain = (uri, body) => ({ contents: [{ uri, mimeType: 'text/plain', text: body }] });

export const RESOURCES = [
  {
    uri: 'test://static-text', name: 'static-text', title: 'Static Text Resource', description: 'A text', mimeType: 'text/plain',
    read: (uri) => plain(uri, 'This is the content of the static text resource.'),
  },
  {
    uri: 'test://static-binary', name: 'static-binary', title: 'Static Binary Resource', description: 'An image', mimeType: 'image/png',
    read: (uri) => ({ contents: [{ uri, mimeType: 'image/png', blob: PIXEL_PNG }] }),
  },
  {
    uri: 'test://watched-resource', name: 'watched-resource', title: 'Watched Resource', description: 'Can be subscribed to', mimeType: 'text/plain',
    read: (uri) => plain(uri, `Watched resource content, updated ${counters.updates} times`),
  },
];

export const TEMPLATE = {
  uriTemplate: 'test://template/{id}/data', name: 'template', title: 'Resource Template', description: 'One document for each id',
  mimeType: 'application/json',
  read: (uri, id) => {
    const body = { id, templateTest: true, data: `Data for ID: ${id}` };
    return { contents: [{ uri, mimeType: 'application/json', text: JSON.stringify(body) }] };
  },
};

const WORDS = ['paris', 'park', 'party', 'test-one', 'test-two'];

/** @returns a CompleteResult for any argument of any prompt or template. */
export function complete(argument) {
  const values = WORDS.filter((word) => word.startsWith(argument.value));
  return { completion: { values, total: values.length, hasMore: false } };
}
