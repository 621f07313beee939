// Stands before a reference server and keeps what reaches it, so that a test can say what did not.

import { createServer, request } from 'node:http';
import { startReference } from '../peers/processes.mjs';

export class Recorder {
  #http;
  #server;

  /** Each request that came: {method, url, headers, body}. */
  seen = [];

  /** Starts a reference server of `era` and stands before it. */
  static async start(era) {
    const recorder = new Recorder();
    recorder.#server = await startReference(era);
    recorder.#http = createServer((req, res) => void recorder.#forward(req, res));
    await new Promise((listens) => { recorder.#http.listen(0, '127.0.0.1', listens); });
    recorder.url = `http://127.0.0.1:${recorder.#http.address().port}/mcp`;
    return recorder;
  }

  async #forward(req, res) {
    const body = Buffer.concat(await req.toArray());
    this.seen.push({ method: req.method, url: req.url, headers: req.rawHeaders, body: body.toString() });
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
