// The few things that checks need to say what they expect.

import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 8_000;
const POLL_MS = 20;

export function expect(condition, message) {
  if (!condition) throw new Error(message);
}

/** Waits, for a bounded time, until `holds` does. */
export async function until(holds, message) {
  for (let waited = 0; waited < PATIENCE_MS; waited += POLL_MS) {
    if (await holds()) return;
    await sleep(POLL_MS);
  }
  throw new Error(`timed out: ${message}`);
}

/** @returns the error that `promise` ends with, in time. */
export async function refusal(promise) {
  const late = sleep(PATIENCE_MS).then(() => { throw new Error('was neither answered nor refused'); });
  const outcome = await Promise.race([promise.then((result) => ({ result }), (error) => ({ error })), late]);
  expect(outcome.error !== undefined || outcome.result.isError === true, `was not refused: ${JSON.stringify(outcome.result)}`);
  return outcome.error ?? outcome.result;
}

export const textOf = (result) => result.content.filter(({ type }) => type === 'text').map(({ text }) => text).join('\n');
export const namesOf = (entries) => entries.map(({ name }) => name).sort().join(' ');
