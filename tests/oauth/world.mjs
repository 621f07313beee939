// What a check stands on: an authorization server, a server that records what reaches it, and the gateway between them and the client.

import { startGateway } from '../peers/processes.mjs';
import { AuthorizationServer } from './authorization-server.mjs';
import { Recorder } from './recorder.mjs';

const SHOWN_LINES = 20;

/** The endings of what a check started, run last to first, whatever happens. */
class Ends {
  #stops = [];

  async add(starting) {
    const started = await starting;
    this.#stops.unshift(() => started.stop());
    return started;
  }

  async run() {
    for (const stop of this.#stops) await stop();
  }
}

/** What the gateway said lately, but for its line for each call. */
function logOf({ output }) {
  const lines = output.split('\n').filter((line) => line !== '' && !line.includes('myelin::access'));
  return lines.slice(-SHOWN_LINES).map((line) => `\n    | ${line}`).join('');
}

/**
 * Runs `check` with {issuer, upstream, gateway}. `authOf` makes the gateway's `auth` of the authorization server.
 * `era` is that of the server; `serverOf` makes more of its entry; `issuer` has the settings of the authorization server.
 */
export async function inWorld({ era = 'modern', issuer: issuerSettings, authOf, serverOf = () => ({}), settings = {} }, check) {
  const ends = new Ends();
  try {
    const issuer = await ends.add(AuthorizationServer.start(issuerSettings));
    const upstream = await ends.add(Recorder.start(era));
    const auth = authOf(issuer);
    const log = { format: 'json', level: 'info,myelin=debug' };
    const gateway = await ends.add(startGateway({ up: { url: upstream.url, ...serverOf(issuer, upstream) } }, { log, auth, ...settings }));
    await check({ issuer, upstream, gateway }).catch((error) => {
      error.stack += logOf(gateway.program);
      throw error;
    });
  } finally {
    await ends.run();
  }
}

/** The `auth` that most checks want: this issuer's JWTs, with one scope. */
export const byJwt = ({ issuer }) => ({ issuers: [{ issuer }], scopes: ['mcp:use'] });
