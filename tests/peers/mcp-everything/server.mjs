// The MCP project's own example server (npm `@modelcontextprotocol/server-everything`) over streamable HTTP, for tests only.
//
//   node server.mjs
//
// By itself it listens on every address of the machine and writes a line for each request. Here it gets a free port of
// 127.0.0.1, says which in one line of JSON on stdout, and ends on SIGTERM, when stdin closes, or after ten minutes.
import net from 'node:net';

const announce = process.stdout.write.bind(process.stdout);
console.log = () => {};
console.error = () => {};

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function onLoopback(_port, ready) {
  this.once('listening', () => announce(`${JSON.stringify({ port: this.address().port, pid: process.pid })}\n`));
  return listen.call(this, { host: '127.0.0.1', port: 0 }, ready);
};

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
setTimeout(() => process.exit(0), 600_000).unref();

process.argv[2] = 'streamableHttp';
await import('./node_modules/@modelcontextprotocol/server-everything/dist/index.js');
