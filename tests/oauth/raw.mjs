// Requests written by hand, for what no SDK would send.

const MODERN = '2026-07-28';
const META = 'io.modelcontextprotocol';
const ACCEPT = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

export const bearer = (token) => (token === undefined ? {} : { authorization: `Bearer ${token}` });

async function answerOf(response) {
  const header = (name) => response.headers.get(name) ?? undefined;
  const session = header('mcp-session-id');
  return { status: response.status, challenge: header('www-authenticate'), session, body: await response.text() };
}

/** Sends a request of the modern era. @returns {status, challenge, body}. */
export async function modern(url, headers, method = 'tools/list', params = {}) {
  const meta = {
    [`${META}/protocolVersion`]: MODERN,
    [`${META}/clientCapabilities`]: {},
    [`${META}/clientInfo`]: { name: 'myelin-tests', version: '1.0.0' },
  };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } });
  const named = params.name ?? params.uri;
  const mirrored = { 'mcp-protocol-version': MODERN, 'mcp-method': method, ...(named === undefined ? {} : { 'mcp-name': named }) };
  return answerOf(await fetch(url, { method: 'POST', headers: { ...ACCEPT, ...mirrored, ...headers }, body }));
}

/** Sends a request of the legacy era, in a session or to open one. @returns {status, challenge, session, body}. */
export async function legacy(url, headers, method, params = {}) {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  return answerOf(await fetch(url, { method: 'POST', headers: { ...ACCEPT, ...headers }, body }));
}

/** Opens a session. @returns the headers of whoever opened it. */
export async function openLegacy(url, token) {
  const clientInfo = { name: 'myelin-tests', version: '1.0.0' };
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
  const { session, status, body } = await legacy(url, bearer(token), 'initialize', params);
  if (session === undefined) throw new Error(`no session was opened: ${status} ${body}`);
  return { 'mcp-session-id': session, ...bearer(token) };
}
