// What both reference servers need around the protocol.

/** Prints the one line that starters wait for. */
export function announce(http) {
  process.stdout.write(`READY http://127.0.0.1:${http.address().port}/mcp\n`);
}

/** @returns the id in a URI of the catalog's template, or undefined. */
export function templateId(uri) {
  return /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
}
