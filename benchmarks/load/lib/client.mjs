// A client that keeps its connections, and the pictures it sends.
import { readdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';

import { root } from './server.mjs';

/** The JSON of a chat about a picture. */
function chatBody(picture, text, tokens, stream) {
  const url = `data:image/webp;base64,${picture.toString('base64')}`;
  const content = [{ type: 'image_url', image_url: { url } }, { type: 'text', text }];
  return Buffer.from(JSON.stringify({ stream, max_tokens: tokens, temperature: 0, messages: [{ role: 'user', content }] }));
}

export class Client {
  constructor(port, connections = 64) {
    this.port = port;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: connections, scheduling: 'lifo' });
  }
  close() { this.agent.destroy(); }

  /** {status, json, ms, error}: never rejects. `signal` aborts. */
  request({ method = 'POST', path: where = '/recognize', body, headers = {}, signal, timeout = 120_000 }) {
    return new Promise((resolve) => {
      const begin = process.hrtime.bigint();
      const finish = (answer) => resolve({ ...answer, ms: Number(process.hrtime.bigint() - begin) / 1e6 });
      const request = http.request({ host: '127.0.0.1', port: this.port, agent: this.agent, method, path: where, signal,
        timeout, headers: { 'Content-Length': body?.length ?? 0, ...headers } }, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          let json = null;
          try { json = JSON.parse(text); } catch { /* not JSON: the caller sees null */ }
          finish({ status: response.statusCode, headers: response.headers, json, text });
        });
        response.on('error', (error) => finish({ status: 0, error: error.code ?? error.message }));
      });
      request.on('timeout', () => request.destroy(Object.assign(new Error('timeout'), { code: 'TIMEOUT' })));
      request.on('error', (error) => finish({ status: 0, error: error.code ?? error.message }));
      request.end(body);
    });
  }
  recognize(picture, query = '', more = {}) {
    return this.request({ path: `/recognize${query}`, body: picture, headers: { 'Content-Type': 'image/webp' }, ...more });
  }
  async stats() { return (await this.request({ method: 'GET', path: '/stats' })).json; }

  /** A chat about a picture, answered in one piece; the wait may be long. */
  chat({ picture, text, tokens }) {
    return this.request({ path: '/v1/chat/completions', body: chatBody(picture, text, tokens, false), timeout: 900_000,
      headers: { 'Content-Type': 'application/json' } });
  }

  /** A streamed chat about a picture; `onToken` is told when each event came. Resolves to the number of events. */
  stream({ picture, text, tokens, onToken = () => {} }) {
    const body = chatBody(picture, text, tokens, true);
    return new Promise((resolve, reject) => {
      let events = 0;
      const request = http.request({ host: '127.0.0.1', port: this.port, method: 'POST', path: '/v1/chat/completions',
        headers: { 'Content-Type': 'application/json', 'Content-Length': body.length } }, (response) => {
        response.on('data', (chunk) => {
          for (const line of chunk.toString().split('\n')) {
            if (line.startsWith('data: {') && line.includes('"content"')) {
              ++events;
              onToken(process.hrtime.bigint());
            }
          }
        });
        response.on('end', () => resolve(events));
        response.on('error', reject);
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}

/** The committed evaluation pictures of the card task, in a fixed order. */
export function cards(sets = ['clean', 'camera', 'other']) {
  return sets.flatMap((set) => {
    const folder = path.join(root, 'models/eval/trading-card', set);
    return readdirSync(folder).filter((name) => name.endsWith('.webp')).sort()
      .map((name) => readFileSync(path.join(folder, name)));
  });
}

/** The same picture in a file of at least `bytes`: WebP readers pass over a chunk they do not know. */
export function padded(webp, bytes) {
  const room = Math.max(0, bytes - webp.length - 8) & ~1;
  const chunk = Buffer.alloc(8 + room);
  chunk.write('XTRA', 0, 'latin1');
  chunk.writeUInt32LE(room, 4);
  const whole = Buffer.concat([webp, chunk]);
  whole.writeUInt32LE(whole.length - 8, 4);
  return whole;
}
