// An HTTP server whose answers are wrong in a chosen way. Loopback only, no dependencies.
//   node weird-http.mjs [--port 0] [--h2-port 0] [--steal http://127.0.0.2:9/steal] [--max-seconds 3600]
// Prints one line of JSON when ready: {"ready":true,"port":N,"h2c_port":M,"pid":P,"http1":[...],"http2":[...]}
// HTTP/1.1: any method on /NAME (or /NAME/anything). HTTP/2 without TLS (prior knowledge): same, on h2c_port.
// The good body is a token answer and an API key answer in one, so a client can be pointed here as either endpoint.
// GET /_counts tells how often each was asked. --steal is where redirect-other-host leads.
import * as net from 'node:net';
import * as http2 from 'node:http2';
import * as zlib from 'node:zlib';
import { parseArgs } from 'node:util';

const { values: a } = parseArgs({ options: { port: { type: 'string', default: '0' }, 'h2-port': { type: 'string', default: '0' }, steal: { type: 'string', default: 'http://127.0.0.2:9/steal' }, 'max-seconds': { type: 'string', default: '3600' } } });
const good = JSON.stringify({ access_token: 'tok-weird', token_type: 'Bearer', expires_in: 300, apikey: 'key-weird' });
const L = (s) => Buffer.byteLength(s);
const ans = (status, headers, body = '') => `HTTP/1.1 ${status}\r\n${headers}${headers ? '\r\n' : ''}content-length: ${L(body)}\r\n\r\n${body}`;
const json = 'content-type: application/json';
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const counts = {};

const h1 = {
  'ok': (s) => s.write(ans('200 OK', json, good)),
  'close-before-answer': (s) => s.end(),
  'reset-before-answer': (s) => s.resetAndDestroy(),
  'reset-mid-body': async (s) => { s.write(`HTTP/1.1 200 OK\r\n${json}\r\ncontent-length: 500\r\n\r\n${good}`); await sleep(50); s.resetAndDestroy(); },
  'short-body': (s) => s.end(`HTTP/1.1 200 OK\r\n${json}\r\ncontent-length: 5000\r\n\r\n${good}`),
  'stall-headers': () => {},
  'stall-body': (s) => s.write(`HTTP/1.1 200 OK\r\n${json}\r\ncontent-length: 500\r\n\r\n${good.slice(0, 10)}`),
  'drip': async (s) => { s.write(`HTTP/1.1 200 OK\r\n${json}\r\ncontent-length: ${L(good)}\r\n\r\n`); for (const c of good) { if (s.destroyed) return; s.write(c); await sleep(100); } },
  'drip-headers': async (s) => { const t = ans('200 OK', json, good); for (const c of t) { if (s.destroyed) return; s.write(c); await sleep(50); } },
  'no-status-line': (s) => s.end(good),
  'bad-status': (s) => s.end(`HTTP/1.1 2OO OK\r\n${json}\r\n\r\n${good}`),
  'http09': (s) => s.end('hello\n'),
  'smtp-banner': (s) => s.end('220 mail ready\r\n'),
  'two-lengths': (s) => s.write(`HTTP/1.1 200 OK\r\n${json}\r\ncontent-length: ${L(good)}\r\ncontent-length: 3\r\n\r\n${good}`),
  'length-and-chunked': (s) => s.write(`HTTP/1.1 200 OK\r\n${json}\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n${L(good).toString(16)}\r\n${good}\r\n0\r\n\r\n`),
  'negative-length': (s) => s.end(`HTTP/1.1 200 OK\r\n${json}\r\ncontent-length: -1\r\n\r\n${good}`),
  'huge-length': (s) => s.end(`HTTP/1.1 200 OK\r\n${json}\r\ncontent-length: 99999999999999999999\r\n\r\n${good}`),
  'bad-chunk': (s) => s.end(`HTTP/1.1 200 OK\r\n${json}\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n${good}\r\n0\r\n\r\n`),
  'chunk-cut': (s) => s.end(`HTTP/1.1 200 OK\r\n${json}\r\ntransfer-encoding: chunked\r\n\r\n${L(good).toString(16)}\r\n${good}`),
  'chunk-one-byte': (s) => s.write(`HTTP/1.1 200 OK\r\n${json}\r\ntransfer-encoding: chunked\r\n\r\n${[...good].map((c) => `1\r\n${c}\r\n`).join('')}0\r\n\r\n`),
  'endless-body': async (s) => { s.write(`HTTP/1.1 200 OK\r\n${json}\r\ntransfer-encoding: chunked\r\n\r\n`); const b = `10000\r\n${' '.repeat(65536)}\r\n`; for (let i = 0; i < 4096 && !s.destroyed; i += 1) { if (!s.write(b)) await new Promise((r) => { const f = () => { s.off('drain', f); s.off('close', f); r(); }; s.on('drain', f); s.on('close', f); }); } s.destroy(); }, // 256 MiB at most
  'gzip-bomb': (s) => { const b = zlib.gzipSync(Buffer.alloc(64 << 20, 32)); s.write(`HTTP/1.1 200 OK\r\n${json}\r\ncontent-encoding: gzip\r\ncontent-length: ${b.length}\r\n\r\n`); s.write(b); },
  'gzip-lie': (s) => s.write(ans('200 OK', `${json}\r\ncontent-encoding: gzip`, good)),
  'many-headers': (s) => s.write(ans('200 OK', `${json}\r\n${Array.from({ length: 5000 }, (_, i) => `x-${i}: y`).join('\r\n')}`, good)),
  'huge-header': (s) => s.write(ans('200 OK', `${json}\r\nx-big: ${'a'.repeat(1 << 20)}`, good)),
  'header-injection-nul': (s) => s.end(ans('200 OK', `${json}\r\nx-a: b\0c`, good)),
  'obs-fold': (s) => s.write(ans('200 OK', `${json};\r\n charset=utf-8`, good)),
  'bare-lf': (s) => s.write(`HTTP/1.1 200 OK\n${json}\ncontent-length: ${L(good)}\n\n${good}`),
  'continue-flood': async (s) => { for (let i = 0; i < 1000 && !s.destroyed; i += 1) s.write('HTTP/1.1 100 Continue\r\n\r\n'); s.write(ans('200 OK', json, good)); },
  'early-hints': (s) => s.write(`HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n${ans('200 OK', json, good)}`),
  'switching': (s) => s.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
  'no-content-with-body': (s) => s.write(`HTTP/1.1 204 No Content\r\ncontent-length: ${L(good)}\r\n\r\n${good}`),
  'extra-bytes': (s) => s.write(ans('200 OK', json, good) + ans('200 OK', json, good.replaceAll(/(tok|key)-weird/g, 'POISON'))),
  'close-idle': async (s) => { s.write(ans('200 OK', json, good)); await sleep(20); s.end(); },
  'redirect-loop': (s, p) => s.write(ans('302 Found', `location: /${p}`)),
  'redirect-other-host': (s) => s.write(ans('307 Temporary Redirect', `location: ${a.steal}`)),
  'redirect-file': (s) => s.write(ans('302 Found', 'location: file:///etc/hostname')),
  'redirect-308-post': (s) => s.write(ans('308 Permanent Redirect', 'location: /ok')),
  'html-200': (s) => s.write(ans('200 OK', 'content-type: text/html', '<html><body>Sign in to Wi-Fi</body></html>')),
  'wrong-type': (s) => s.write(ans('200 OK', 'content-type: text/plain', good)),
  'no-type': (s) => s.write(ans('200 OK', 'x-a: b', good)),
  'empty-200': (s) => s.write(ans('200 OK', json)),
  'json-null': (s) => s.write(ans('200 OK', json, 'null')),
  'json-array': (s) => s.write(ans('200 OK', json, '[]')),
  'json-cut': (s) => s.write(ans('200 OK', json, good.slice(0, 30))),
  'json-twice': (s) => s.write(ans('200 OK', json, good + good)),
  'json-bom': (s) => s.write(ans('200 OK', json, `\ufeff${good}`)),
  'json-latin1': (s) => { const b = Buffer.from('{"access_token":"t\xe9","token_type":"Bearer","expires_in":1}', 'latin1'); s.write(`HTTP/1.1 200 OK\r\n${json}\r\ncontent-length: ${b.length}\r\n\r\n`); s.write(b); },
  'json-deep': (s) => s.write(ans('200 OK', json, '['.repeat(100000) + ']'.repeat(100000))),
  'token-type-lower': (s) => s.write(ans('200 OK', json, good.replace('Bearer', 'bearer'))),
  'token-type-mac': (s) => s.write(ans('200 OK', json, good.replace('Bearer', 'mac'))),
  'token-type-missing': (s) => s.write(ans('200 OK', json, '{"access_token":"t","expires_in":300}')),
  'token-empty': (s) => s.write(ans('200 OK', json, '{"access_token":"","token_type":"Bearer"}')),
  'token-crlf': (s) => s.write(ans('200 OK', json, '{"access_token":"a\\r\\nx-evil: 1","token_type":"Bearer","expires_in":300}')),
  'expires-string': (s) => s.write(ans('200 OK', json, good.replace('300', '"300"'))),
  'expires-float': (s) => s.write(ans('200 OK', json, good.replace('300', '299.5'))),
  'expires-negative': (s) => s.write(ans('200 OK', json, good.replace('300', '-5'))),
  'expires-zero': (s) => s.write(ans('200 OK', json, good.replace('300', '0'))),
  'expires-huge': (s) => s.write(ans('200 OK', json, good.replace('300', '99999999999999999999'))),
  'expires-null': (s) => s.write(ans('200 OK', json, good.replace('300', 'null'))),
  'expires-missing': (s) => s.write(ans('200 OK', json, '{"access_token":"t","token_type":"Bearer"}')),
  'error-in-200': (s) => s.write(ans('200 OK', json, '{"error":"bad_verification_code","error_description":"GitHub style"}')),
  'form-body': (s) => s.write(ans('200 OK', 'content-type: application/x-www-form-urlencoded', 'access_token=t&token_type=bearer&expires_in=300')),
  'error-400': (s) => s.write(ans('400 Bad Request', json, '{"error":"invalid_grant","error_description":"no"}')),
  'error-401-basic': (s) => s.write(ans('401 Unauthorized', `${json}\r\nwww-authenticate: Basic realm="x"`, '{"error":"invalid_client"}')),
  'error-500-html': (s) => s.write(ans('500 Internal Server Error', 'content-type: text/html', '<h1>500</h1>')),
  'error-echo-secret': (s, p, req) => s.write(ans('400 Bad Request', json, JSON.stringify({ error: 'invalid_request', error_description: `you sent: ${req.slice(-400)}` }))),
  'retry-after-seconds': (s) => s.write(ans('429 Too Many Requests', `${json}\r\nretry-after: 1`, '{"error":"slow_down"}')),
  'retry-after-date': (s) => s.write(ans('503 Service Unavailable', `retry-after: ${new Date(Date.now() + 2000).toUTCString()}`)),
  'retry-after-huge': (s) => s.write(ans('503 Service Unavailable', 'retry-after: 99999999999')),
  'retry-after-garbage': (s) => s.write(ans('503 Service Unavailable', 'retry-after: soon')),
  'fail-twice-then-ok': (s, p) => s.write(counts[p] % 3 ? ans('503 Service Unavailable', 'retry-after: 0') : ans('200 OK', json, good)),
};

const server = net.createServer((s) => {
  s.on('error', () => {}); s.setTimeout(60_000, () => s.destroy());
  let buf = '';
  let busy = Promise.resolve();
  s.on('data', (d) => {
    buf += d.toString('latin1');
    for (;;) {
      const end = buf.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = buf.slice(0, end);
      const len = Number(/^content-length:\s*(\d+)/im.exec(head)?.[1] ?? 0);
      if (buf.length < end + 4 + len) return;
      const req = buf.slice(0, end + 4 + len);
      buf = buf.slice(end + 4 + len);
      const name = (head.split(' ')[1] ?? '/').split(/[/?]/)[1];
      counts[name] = (counts[name] ?? 0) + 1;
      busy = busy.then(async () => {
        if (s.destroyed) return;
        if (name === '_counts') s.write(ans('200 OK', json, JSON.stringify(counts)));
        else if (h1[name]) await h1[name](s, name, req);
        else s.write(ans('404 Not Found', json, '{"error":"unknown weirdness"}'));
      });
    }
  });
});

const head2 = { ':status': 200, 'content-type': 'application/json' };
const h2 = {
  'ok': (st) => { st.respond(head2); st.end(good); },
  'rst-before-answer': (st) => st.close(http2.constants.NGHTTP2_INTERNAL_ERROR),
  'rst-refused': (st) => st.close(http2.constants.NGHTTP2_REFUSED_STREAM),
  'rst-mid-body': (st) => { st.respond(head2); st.write(good.slice(0, 10)); setTimeout(() => st.close(http2.constants.NGHTTP2_CANCEL), 20); },
  'goaway-before-answer': (st) => st.session.goaway(http2.constants.NGHTTP2_NO_ERROR, 0),
  'goaway-then-answer': (st) => { st.session.goaway(http2.constants.NGHTTP2_NO_ERROR, st.id); st.respond(head2); st.end(good); },
  'enhance-your-calm': (st) => st.session.goaway(http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, 0),
  'destroy-session': (st) => st.session.destroy(),
  'stall': () => {},
  'length-lie': (st) => { st.respond({ ...head2, 'content-length': 5000 }); st.end(good); },
  'length-lie-reset': (st) => { st.respond({ ...head2, 'content-length': 5000 }); st.write(good); setTimeout(() => st.close(http2.constants.NGHTTP2_NO_ERROR), 20); },
  'trailers-error': (st) => { st.respond(head2, { waitForTrailers: true }); st.on('wantTrailers', () => st.sendTrailers({ 'x-error': 'late' })); st.end(good); },
  'ping-flood': (st) => { for (let i = 0; i < 50; i += 1) st.session.ping(() => {}); st.respond(head2); st.end(good); },
  'settings-churn': (st) => { for (let i = 1; i < 8; i += 1) st.session.settings({ maxConcurrentStreams: i }); st.respond(head2); st.end(good); },
  'zero-streams': (st) => { st.session.settings({ maxConcurrentStreams: 0 }); st.respond(head2); st.end(good); },
};
const server2 = http2.createServer({ maxSessionInvalidFrames: 10 });
server2.on('sessionError', () => {});
server2.on('stream', (st, headers) => {
  st.on('error', () => {});
  if (!st.session) return;
  const name = headers[':path'].split(/[/?]/)[1];
  counts[`h2:${name}`] = (counts[`h2:${name}`] ?? 0) + 1;
  if (h2[name]) h2[name](st); else { st.respond({ ':status': 404 }); st.end(); }
});
const done = () => process.exit(0);
process.on('SIGTERM', done); process.on('SIGINT', done);
process.on('uncaughtException', (e) => { if (!String(e.code).startsWith('ERR_HTTP2') && e.code !== 'EPIPE' && e.code !== 'ECONNRESET') { console.error(e); process.exit(1); } });
setTimeout(done, Math.min(Number(a['max-seconds']), 86400) * 1000).unref();
server.listen(Number(a.port), '127.0.0.1', () => server2.listen(Number(a['h2-port']), '127.0.0.1', () => {
  console.log(JSON.stringify({ ready: true, port: server.address().port, h2c_port: server2.address().port, pid: process.pid, http1: Object.keys(h1), http2: Object.keys(h2) }));
}));
