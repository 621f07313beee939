// Stands before a reference server and keeps what reaches it, so that a test can say what did not. Guarded, it is a protected resource as
// the specification wants it: it takes tokens that are meant for it, verified by `jose`, and sends everybody else to the issuer.

import { createServer, request } from 'node:http';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { startReference } from '../peers/processes.mjs';

export class Recorder {
  #http;
  #server;

  #guard;

  /** Each request that came: {method, url, headers, body}. */
  seen = [];
  /** What the tokens said that it took. */
  claims = [];
  /** How many requests it refused. */
  refused = 0;

  /** Starts a reference server of `era` and stands before it. */
  static async start(era) {
    const recorder = new Recorder();
    recorder.#server = await startReference(era);
    recorder.#http = createServer((req, res) => void recorder.#forward(req, res));
    await new Promise((listens) => { recorder.#http.listen(0, '127.0.0.1', listens); });
    recorder.url = `http://127.0.0.1:${recorder.#http.address().port}/mcp`;
    return recorder;
  }

  /** From now on a token of `issuer` is needed, for `audience`, signed with one of the keys at `keys`. */
  guard({ issuer, keys, audience = this.url }) {
    const published = createRemoteJWKSet(new URL(keys), { cooldownDuration: 0, cacheMaxAge: 0 });
    this.#guard = { issuer, verify: (token) => jwtVerify(token, published, { issuer, audience, algorithms: ['ES256'] }) };
  }

  /** @returns whether the request may go on; it is answered otherwise. */
  async #admits(req, res) {
    if (this.#guard === undefined) return true;
    const metadata = '/.well-known/oauth-protected-resource/mcp';
    if (req.url === metadata) {
      const document = { resource: this.url, authorization_servers: [this.#guard.issuer], scopes_supported: ['mcp:use'] };
      res.setHeader('content-type', 'application/json').end(JSON.stringify(document));
      return false;
    }
    const token = /^Bearer (\S+)$/.exec(req.headers.authorization ?? '')?.[1];
    const verified = token === undefined ? undefined : await this.#guard.verify(token).catch(() => undefined);
    if (verified !== undefined) {
      this.claims.push(verified.payload);
      return true;
    }
    this.refused += 1;
    const error = token === undefined ? '' : 'error="invalid_token", ';
    const challenge = `Bearer ${error}resource_metadata="${new URL(metadata, this.url)}", scope="mcp:use"`;
    res.writeHead(401, { 'www-authenticate': challenge }).end();
    return false;
  }

  async #forward(req, res) {
    const body = Buffer.concat(await req.toArray());
    this.seen.push({ method: req.method, url: req.url, headers: req.rawHeaders, body: body.toString() });
    if (!await this.#admits(req, res)) return;
    const { hostname, port } = new URL(this.#server.url);
    const headers = { ...req.headers, host: `${hostname}:${port}` };
    const onward = request({ hostname, port, path: req.url, method: req.method, headers }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    onward.on('error', () => res.destroy());
    res.on('close', () => onward.destroy());
    onward.end(body);
  }

  async stop() {
    this.#http.closeAllConnections();
    await new Promise((closed) => { this.#http.close(closed); });
    await this.#server.stop();
  }
}
