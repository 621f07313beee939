// A person at a browser without a screen: follows redirects, keeps cookies, logs in and consents on the authorization server's own pages,
// and stops where the browser would go back to the client.

import { createServer } from 'node:http';

const MAX_STEPS = 20;

const attribute = (tag, name) => new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];

/** @returns the address and the fields of the page's form, or undefined. */
function formOf(page, login) {
  const form = /<form[\s\S]*?<\/form>/.exec(page)?.[0];
  if (form === undefined) return undefined;
  const inputs = form.match(/<input[^>]*>/g) ?? [];
  const filled = { login, password: 'any' };
  const fields = inputs.map((tag) => [attribute(tag, 'name'), filled[attribute(tag, 'name')] ?? attribute(tag, 'value') ?? '']);
  return { action: attribute(form, 'action'), body: new URLSearchParams(fields) };
}

export class Person {
  #cookies = new Map();

  constructor(login) {
    this.login = login;
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

  /** @returns the address at the client that the browser is sent to in the end. */
  async visit(start) {
    const { origin } = new URL(start);
    let [url, init] = [new URL(start), {}];
    for (let step = 0; step < MAX_STEPS; step += 1) {
      if (url.origin !== origin) return url;
      const response = await this.#load(url, init);
      const page = await response.text();
      if (response.headers.has('location')) {
        [url, init] = [new URL(response.headers.get('location'), url), {}];
        continue;
      }
      const form = formOf(page, this.login);
      if (!response.ok || form === undefined) throw new Error(`the page ${url} answered ${response.status}: ${page.slice(0, 400)}`);
      [url, init] = [new URL(form.action, url), { method: 'POST', body: form.body }];
    }
    throw new Error(`${start} leads nowhere`);
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
