// What every TypeScript client has to get from either reference server, in all combinations of eras. A check opens its own sessions with
// `use`, which closes them again.

import { isDeepStrictEqual } from 'node:util';
import { PROMPTS, RESOURCES, tools } from '../peers/catalog.mjs';
import { expect, namesOf, refusal, textOf, until } from './expect.mjs';

const WATCHED = 'test://watched-resource';
const INVALID_PARAMS = -32602;
const PARALLEL_CALLS = 20;

const TRICKY = { text: 'naïve 世界 \u2028 "quoted"', big: 9007199254740991, small: 1.5e-7, nested: { list: [null, true, {}, []] } };

const filled = (properties) => (
  Object.fromEntries(Object.entries(properties).map(([key, { type }]) => [key, type === 'boolean' ? true : `my ${key}`]))
);
const sampled = { type: 'text', text: 'sampled words' };
const used = { type: 'tool_use', id: 'use-1', name: 'weather', input: { city: 'Zürich' } };

/** Visits only the page that the server asked for, whatever is said in between. */
const visited = (url) => ({ action: url === 'https://example.com/sign-in?state=%20' ? 'accept' : 'decline' });

const ANSWERS = {
  elicitation: ({ mode, url, requestedSchema }) => (mode === 'url' ? visited(url) : { action: 'accept', content: filled(requestedSchema.properties) }),
  sampling: ({ tools, toolChoice }) => ({
    role: 'assistant',
    model: 'none',
    ...(tools?.[0]?.name === 'weather' && toolChoice?.mode === 'required'
      ? { content: [used], stopReason: 'toolUse' }
      : { content: sampled, stopReason: 'endTurn' }),
  }),
  roots: () => ({ roots: [{ uri: 'file:///project', name: 'project' }] }),
};

const callAndExpect = (name, args, pattern) => (use) => use({ answers: ANSWERS }, async (session) => {
  const answer = textOf(await session.callTool(name, args));
  expect(pattern.test(answer), `${name} answered ${answer}`);
});

const lists = (use) => use({}, async (session) => {
  const everyTool = namesOf(tools());
  const found = namesOf(await session.listTools());
  expect(found === everyTool, `tools: ${found}`);
  expect(namesOf(await session.listPrompts()) === namesOf(PROMPTS), 'prompts differ');
  expect(namesOf(await session.listResources()) === namesOf(RESOURCES), 'resources differ');
  const templates = await session.listTemplates();
  expect(templates[0]?.uriTemplate === 'test://template/{id}/data', 'template differs');
});

const carriesArguments = (use) => use({}, async (session) => {
  const echoed = JSON.parse(textOf(await session.callTool('test_echo', TRICKY)));
  expect(isDeepStrictEqual(echoed, TRICKY), `echoed ${JSON.stringify(echoed)}`);
});

const carriesContents = (use) => use({}, async (session) => {
  const { content } = await session.callTool('test_multiple_content_types');
  expect(content.map(({ type }) => type).join(' ') === 'text image resource', 'contents differ');
  const failed = await session.callTool('test_error_handling');
  expect(failed.isError === true, 'a tool error was lost');
});

const mirrorsHeaders = (use) => use({}, async (session) => {
  await session.listTools();
  const answer = textOf(await session.callTool('test_x_mcp_header', { region: ' Zürich 世界' }));
  expect(answer === 'region= Zürich 世界', answer);
});

const refusesTheUnknown = (use) => use({}, async (session) => {
  const { code } = await refusal(session.callTool('test_no_such_tool'));
  expect(code === INVALID_PARAMS, `an unknown tool got ${code}`);
  await refusal(session.readResource('test://no-such-resource'));
  await refusal(session.getPrompt('test_no_such_prompt'));
});

const readsResources = (use) => use({}, async (session) => {
  const [plain] = await session.readResource('test://static-text');
  expect(plain.text === 'This is the content of the static text resource.', 'text differs');
  const [binary] = await session.readResource('test://static-binary');
  expect(binary.blob.startsWith('iVBOR'), 'blob differs');
  const [document] = await session.readResource('test://template/17/data');
  expect(JSON.parse(document.text).id === '17', 'template differs');
});

const getsPrompts = (use) => use({}, async (session) => {
  const [message] = await session.getPrompt('test_prompt_with_arguments', { arg1: 'a', arg2: 'ü' });
  expect(message.content.text === "Prompt with arguments: arg1='a', arg2='ü'", message.content.text);
  const ref = { type: 'ref/prompt', name: 'test_prompt_with_arguments' };
  const values = await session.complete(ref, { name: 'arg1', value: 'par' });
  expect(values.join(' ') === 'paris park party', `completed ${values}`);
});

const reportsProgress = (use) => use({}, async (session) => {
  const seen = [];
  await session.callTool('test_tool_with_progress', {}, { onprogress: ({ progress }) => seen.push(progress) });
  expect(seen.join(' ') === '0 50 100', `progress was ${seen}`);
});

const deliversLogs = (use) => use({}, async (session, notices) => {
  await session.logAt('info');
  await session.callTool('test_tool_with_logging', {}, { logLevel: 'info' });
  const logs = () => notices.filter(({ method, params }) => method === 'notifications/message' && /^Tool /.test(params.data));
  await until(() => logs().length === 3, `three logs, not ${logs().length}`);
});

const cancels = (use) => use({}, async (session) => {
  const count = async () => Number(textOf(await session.callTool('test_cancelled_count')));
  const before = await count();
  const abort = new AbortController();
  await refusal(session.callTool('test_wait', { ms: 60_000 }, { signal: abort.signal, onprogress: () => abort.abort() }));
  await until(async () => await count() > before, 'the server to hear of the cancellation');
});

const changes = (kind) => (use) => use({}, async (session, notices) => {
  await session.watch(WATCHED);
  const heard = () => notices.some(({ method }) => method === `notifications/${kind}s/list_changed`);
  await session.callTool(`test_trigger_${kind}_change`);
  await until(heard, `${kind}s/list_changed`);
});

const deliversUpdates = (use) => use({}, async (session, notices) => {
  await session.watch(WATCHED);
  const [before] = await session.readResource(WATCHED);
  await session.callTool('test_update_watched');
  await until(() => notices.some(({ method, params }) => method === 'notifications/resources/updated' && params.uri === WATCHED), 'the update');
  const [after] = await session.readResource(WATCHED);
  expect(after.text !== before.text, 'the content is stale');
});

const asksInPrompts = (use) => use({ answers: ANSWERS }, async (session) => {
  const [message] = await session.getPrompt('test_input_required_result_prompt');
  expect(message.content.text === 'Use the following context: my context', message.content.text);
});

const declines = (use) => use({ answers: { elicitation: () => ({ action: 'decline' }) } }, async (session) => {
  const answer = textOf(await session.callTool('test_elicitation', { message: 'May I?' }));
  expect(/action=decline/.test(answer), answer);
});

const asksOnlyWhatIsDeclared = (use) => use({ answers: { elicitation: ANSWERS.elicitation } }, async (session) => {
  await refusal(session.callTool('test_sampling', { prompt: 'Hello' }));
  const answer = textOf(await session.callTool('test_input_required_result_capabilities'));
  expect(answer === 'answered: user_name', answer);
});

const keepsCallsApart = (use) => use({}, async (session) => {
  const calls = Array.from({ length: PARALLEL_CALLS }, (_, at) => session.callTool('test_echo', { at }));
  const answers = (await Promise.all(calls)).map((result) => JSON.parse(textOf(result)).at);
  expect(answers.every((answer, at) => answer === at), `answers were ${answers}`);
});

const keepsClientsApart = (use) => {
  const asked = (name) => use({ answers: { elicitation: () => ({ action: 'accept', content: { response: name } }) } }, async (session) => {
    const answer = textOf(await session.callTool('test_elicitation', { message: name }));
    expect(answer.includes(`"${name}"`), `${name} got ${answer}`);
  });
  return Promise.all(['ann', 'bob', 'cid', 'dee'].map(asked));
};

/** Every kind of question that a server of either era can put to a client of either era. */
export const QUESTION_CHECKS = {
  elicits: callAndExpect('test_elicitation', { message: 'Name?' }, /action=accept, content=\{"response":\s?"my response"\}/),
  'elicits by URL': callAndExpect('test_elicitation_url', {}, /action=accept/),
  samples: callAndExpect('test_sampling', { prompt: 'Hello' }, /LLM response: sampled words/),
  'samples with tools': callAndExpect('test_sampling_with_tools', {}, /LLM used weather with \{"city":\s?"Zürich"\}/),
  'lists roots': callAndExpect('test_input_required_result_list_roots', {}, /file:\/\/\/project/),
};

export const REFERENCE_CHECKS = {
  ...QUESTION_CHECKS,
  lists,
  'carries arguments': carriesArguments,
  'carries contents': carriesContents,
  'mirrors headers': mirrorsHeaders,
  'refuses the unknown': refusesTheUnknown,
  'reads resources': readsResources,
  'gets prompts': getsPrompts,
  'reports progress': reportsProgress,
  'delivers logs': deliversLogs,
  cancels,
  'tells of tools': changes('tool'),
  'tells of prompts': changes('prompt'),
  'tells of resources': changes('resource'),
  'delivers updates': deliversUpdates,
  'asks several things': callAndExpect('test_input_required_result_multiple_inputs', {}, /sampled words my name, 1 roots/),
  'asks twice': callAndExpect('test_input_required_result_multi_round', {}, /my name likes my color/),
  'asks in prompts': asksInPrompts,
  declines,
  'asks only what is declared': asksOnlyWhatIsDeclared,
  'keeps calls apart': keepsCallsApart,
  'keeps clients apart': keepsClientsApart,
};
