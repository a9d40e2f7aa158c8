// Mixed traffic whose answers are judged: every picture's fields are known from the first time it was read alone.
import net from 'node:net';

import { sleep } from './server.mjs';

/** What the server says of each picture, read one by one without a cache: what every later answer must equal. */
export async function readAlone(client, pictures) {
  const truth = [];
  for (const picture of pictures) {
    const answer = await client.recognize(picture, '?cache=off');
    if (answer.status !== 200) throw new Error(`a picture could not be read: ${answer.status} ${answer.text ?? answer.error}`);
    truth.push(JSON.stringify(answer.json.fields));
  }
  return truth;
}

/** What came back, counted. An answer is wrong when it is a 200 with other fields than the picture's. */
export class Tally {
  /** `allowed`: statuses that say no in an orderly way (429 overloaded, 503 draining, 504 too late). */
  constructor(allowed = [429, 503, 504]) {
    this.allowed = allowed;
    this.asked = this.good = this.wrong = this.shed = this.failed = 0;
    this.statuses = {};  // of what was not answered
    this.retryAfter = 0;  // of those, how many said in whole seconds when to come again
    this.tiers = { memory: 0, redis: 0, database: 0, computed: 0 };
    this.ms = [];
    this.errors = {};
  }
  judge(answer, expected) {
    ++this.asked;
    if (answer.status === 200 && JSON.stringify(answer.json?.fields) === expected) {
      ++this.good;
      ++this.tiers[answer.json.cached ?? 'computed'];
      this.ms.push(answer.ms);
    } else if (answer.status === 200) {
      ++this.wrong;
    } else {
      const name = answer.status ? `${answer.status} ${answer.json?.error?.type ?? ''}`.trim() : answer.error;
      this.errors[name] = (this.errors[name] ?? 0) + 1;
      this.statuses[answer.status] = (this.statuses[answer.status] ?? 0) + 1;
      if (/^[1-9]\d*$/.test(answer.headers?.['retry-after'] ?? '')) ++this.retryAfter;
      if (this.allowed.includes(answer.status)) ++this.shed;
      else ++this.failed;
    }
  }
  /** The share of requests that were answered, of those not refused in an orderly way. */
  availability() {
    return this.asked === this.shed ? 1 : this.good / (this.asked - this.shed);
  }
}

/** A seeded generator of numbers in [0, 1) (mulberry32), so that a run can be repeated. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Sends requests at a rate until `stop.now`; picture and query by `choose`. Resolves when all are answered. */
export async function traffic({ client, pictures, truth, rate, stop, tally, choose, patience = 0 }) {
  const pending = new Set();
  while (!stop.now) {
    const { index, query } = choose();
    const ask = async () => {
      let answer = await client.recognize(pictures[index], query);
      // A client of a service that restarts tries again, as long as it is patient.
      for (const end = Date.now() + patience; !answer.status && Date.now() < end;) {
        await sleep(100);
        answer = await client.recognize(pictures[index], query);
      }
      tally.judge(answer, truth[index]);
    };
    const one = ask().finally(() => pending.delete(one));
    pending.add(one);
    await sleep(1000 / rate);
  }
  await Promise.all(pending);
}

/** Connections that send a request a byte at a time; how they ended is of no interest. */
export function slowClients(port, count, everyMs = 1000) {
  const head = 'POST /recognize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/webp\r\nContent-Length: 100000\r\n\r\n';
  const sockets = Array.from({ length: count }, () => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    return { socket, sent: 0 };
  });
  const timer = setInterval(() => {
    for (const each of sockets) {
      if (!each.socket.destroyed && each.sent < head.length) each.socket.write(head[each.sent++]);
    }
  }, everyMs);
  return {
    open: () => sockets.filter(({ socket }) => !socket.destroyed).length,
    end: () => {
      clearInterval(timer);
      for (const { socket } of sockets) socket.destroy();
    },
  };
}

/** Asks and leaves after a moment, `count` times, `side` at once. */
export async function cancelled(client, pictures, count, side, choose) {
  let begun = 0;
  await Promise.all(Array.from({ length: side }, async () => {
    while (begun++ < count) {
      const leave = new AbortController();
      const answer = client.recognize(pictures[Math.floor(choose() * pictures.length)], '?cache=off', { signal: leave.signal });
      await sleep(1 + 40 * choose());
      leave.abort();
      await answer;
    }
  }));
}
