// Clients of the TypeScript SDKs as load: `node clients.mjs URL`, with what clients.py takes on stdin, says on stdout, and calls things.
// The legacy ones are of SDK 1.x, the modern ones of SDK 2.x.

import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { open } from '../sdk/clients.mjs';

const MARK = 'cluster://mark';
const PATIENCE_MS = 60_000;
const NOTICE_PATIENCE_MS = 10_000;
const HEARD = ['notifications/tools/list_changed', 'notifications/resources/updated'];

const now = () => Number(process.hrtime.bigint()) / 1e9;
const words = (result) => result.content.map((part) => part.text).join('\n');

class Person {
  stops = false;
  #sent = 0;
  #statuses = [];
  #heard = () => undefined;

  constructor(url, { name, era, role, token, asked }) {
    Object.assign(this, { url, name, era, role, token, asked });
  }

  async live() {
    while (!this.stops) {
      const began = now();
      let session;
      try {
        session = await this.#connect();
        this.#tell(began, 'connect', '-', 'ok');
        await { caller: this.#calls, asker: this.#asks, listener: this.#listens }[this.role](session);
      } catch (fault) {
        this.#tell(began, 'connect', '-', this.#sort(fault), String(fault));
        await sleep(200);
      }
      // A session that is gone cannot be ended.
      await session?.close().catch(() => undefined);
    }
  }

  #connect() {
    this.#statuses = [];
    const watched = async (...request) => {
      const response = await fetch(...request);
      this.#statuses.push(response.status);
      return response;
    };
    const elicitation = async ({ message }) => {
      await sleep(100 + 400 * Math.random());
      return { action: 'accept', content: { word: `word-of-${message.split(' ').at(-1).replace('?', '')}` } };
    };
    return open(this.era === 'modern' ? 'ts2-modern' : 'ts1', this.url, {
      answers: { elicitation },
      onNotice: (method) => HEARD.includes(method) && this.#heard(),
      http: { fetch: watched, requestInit: { headers: { Authorization: `Bearer ${this.token}`, 'X-Client': this.name } } },
    });
  }

  #tell(began, what, server, outcome, detail = '', nonce = '') {
    const { name: client, era } = this;
    process.stdout.write(`${JSON.stringify({ began, ended: now(), client, era, what, server, outcome, detail, nonce })}\n`);
  }

  #sort(fault) {
    if (this.era === 'legacy') return this.#statuses.includes(404) ? 'gone' : 'error';
    return String(fault).includes('requestState') ? 'anew' : 'error';
  }

  /** Does something and tells of it; whether the connection is still of use. */
  async #once(what, server, doing, wanted, nonce) {
    const began = now();
    this.#statuses = [];
    try {
      const found = await doing();
      const isRight = wanted === undefined || found === wanted;
      this.#tell(began, what, server, isRight ? 'ok' : 'wrong', isRight ? '' : String(found), nonce);
      return true;
    } catch (fault) {
      const outcome = this.#sort(fault);
      this.#tell(began, what, server, outcome, String(fault), nonce);
      return outcome !== 'gone';
    }
  }

  #call(session, tool, server, wanted, more = {}) {
    const nonce = `${this.name}-${this.#sent += 1}-${randomBytes(4).toString('hex')}`;
    const doing = async () => {
      const result = await session.callTool(`${server}__${tool}`, { nonce, ...more }, { timeout: PATIENCE_MS });
      if (result.isError) throw new Error(`the tool failed: ${words(result)}`);
      return words(result);
    };
    return this.#once(tool, server, doing, wanted?.(nonce), nonce);
  }

  #calls = async (session) => {
    while (!this.stops) {
      const kind = Math.random();
      let isOfUse;
      if (kind < 0.1) {
        isOfUse = await this.#once('list', '-', async () => (await session.listTools()).filter((tool) => tool.name.startsWith('modern__')).length, 3);
      } else if (kind < 0.2) {
        isOfUse = await this.#once('read', 'modern', async () => (await session.readResource(MARK))[0].uri, MARK);
      } else {
        const server = ['modern', 'legacy', 'child'][Math.floor(3 * Math.random())];
        isOfUse = await this.#call(session, 'work', server, (nonce) => nonce, kind > 0.85 ? { delay: 0.3 + 0.7 * Math.random() } : {});
      }
      if (!isOfUse) return;
      await sleep(150 * Math.random());
    }
  };

  #asks = async (session) => {
    while (!this.stops) {
      const server = this.asked[Math.floor(this.asked.length * Math.random())];
      if (!await this.#call(session, 'ask', server, (nonce) => `${nonce} word-of-${nonce}`)) return;
      await sleep(200 * Math.random());
    }
  };

  /** Makes changes, and hears of them. */
  #listens = async (session) => {
    let isOpen = true;
    const stream = await session.watch(MARK);
    void stream?.closed?.then((end) => {
      isOpen = false;
      if (end !== 'local') this.#tell(now(), 'stream', '-', end === 'graceful' ? 'ended' : 'lost', String(end));
      this.#heard();
    });
    while (!this.stops && isOpen) {
      const heard = new Promise((resolve) => { this.#heard = () => resolve(true); });
      const server = ['modern', 'legacy'][Math.floor(2 * Math.random())];
      const since = now();
      if (!await this.#call(session, 'touch', server)) return;
      const isHeard = await Promise.race([heard, sleep(NOTICE_PATIENCE_MS, false, { ref: false })]);
      if (!isOpen) return;
      this.#tell(since, 'notice', server, isHeard ? 'ok' : 'error', isHeard ? '' : `was not told in ${NOTICE_PATIENCE_MS} ms`);
      await sleep(300 + 400 * Math.random());
    }
  };
}

const lines = createInterface({ input: process.stdin });
const people = [];
lines.once('line', (line) => {
  people.push(...JSON.parse(line).map((entry) => new Person(process.argv[2], entry)));
  void Promise.all(people.map((person) => person.live())).then(() => process.exit(0));
});
lines.once('close', () => people.forEach((person) => { person.stops = true; }));
