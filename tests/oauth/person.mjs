// A person at a browser without a screen: follows redirects, keeps cookies, fills in the forms of the authorization server's and the
// gateway's own pages, and stops where the browser would go back to the client, or where there is nothing more to do.

import { createServer } from 'node:http';

const MAX_STEPS = 20;

const attribute = (tag, name) => new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];

/** @returns the address and the fields of the page's form, or undefined. */
function formOf(page, filled) {
  const form = /<form[\s\S]*?<\/form>/.exec(page)?.[0];
  if (form === undefined) return undefined;
  const inputs = form.match(/<input[^>]*>/g) ?? [];
  const fields = inputs.filter((tag) => attribute(tag, 'name') !== undefined).map((tag) => [attribute(tag, 'name'), filled[attribute(tag, 'name')] ?? attribute(tag, 'value') ?? '']);
  return { action: attribute(form, 'action'), body: new URLSearchParams(fields) };
}

export class Person {
  #cookies = new Map();

  /** `key` is the person's API key at the gateway, if they have one. */
  constructor(login, key = '') {
    this.filled = { login, password: 'any', key };
  }

  #keep(response) {
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      const expires = Date.parse(/expires=([^;]+)/i.exec(line)?.[1] ?? '');
      if (value === '' || expires <= Date.now()) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
  }

  async #load(url, init = {}) {
    const cookie = [...this.#cookies].map((pair) => pair.join('=')).join('; ');
    const response = await fetch(url, { ...init, redirect: 'manual', headers: { cookie, accept: 'text/html' } });
    this.#keep(response);
    return response;
  }

  /** Goes on until `isOver(url)`, or to a page with nothing to fill in. @returns {url, page}. */
  async #walk(start, isOver) {
    let [url, init] = [new URL(start), {}];
    for (let step = 0; step < MAX_STEPS; step += 1) {
      if (isOver(url)) return { url };
      const response = await this.#load(url, init);
      const page = await response.text();
      if (response.headers.has('location')) {
        [url, init] = [new URL(response.headers.get('location'), url), {}];
        continue;
      }
      if (!response.ok) throw new Error(`the page ${url} answered ${response.status}: ${page.slice(0, 400)}`);
      const form = formOf(page, this.filled);
      if (form === undefined) return { url, page };
      [url, init] = [new URL(form.action ?? url, url), { method: 'POST', body: form.body }];
    }
    throw new Error(`${start} leads nowhere`);
  }

  /** @returns the address at the client that the browser is sent to in the end. */
  async visit(start) {
    const { origin } = new URL(start);
    const { url, page } = await this.#walk(start, (next) => next.origin !== origin);
    if (page !== undefined) throw new Error(`the browser stays at ${url}: ${page.slice(0, 400)}`);
    return url;
  }

  /** Agrees to everything that pages ask. @returns the text of the last page. */
  async agree(start) {
    return (await this.#walk(start, () => false)).page;
  }

  /** Offers `visit` to clients in other processes: POST an address, get the address that the browser ends at. */
  async listen() {
    const server = createServer(async (req, res) => {
      const parts = await req.toArray();
      res.end(String(await this.visit(Buffer.concat(parts).toString()).catch((error) => error.message)));
    });
    await new Promise((listens) => { server.listen(0, '127.0.0.1', listens); });
    const stop = () => new Promise((closed) => { server.close(closed); server.closeAllConnections(); });
    return { url: `http://127.0.0.1:${server.address().port}/`, stop };
  }
}
