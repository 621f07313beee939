// Preloaded (node -r) into a public HTTP server that would listen on every interface: it listens on 127.0.0.1 and says where.

const { Server } = require('node:net');

const listen = Server.prototype.listen;

Server.prototype.listen = function listenLocally(port, ...rest) {
  const callback = rest.find((argument) => typeof argument === 'function');
  this.once('listening', () => process.stdout.write(`READY http://127.0.0.1:${this.address().port}/mcp\n`));
  return listen.call(this, Number(port), '127.0.0.1', callback);
};
