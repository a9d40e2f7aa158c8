// Mixed load with faults for a while: node soak.mjs [--minutes N=30] [--seed N=1]
//
// Repeated and new pictures, refreshes, streams, chat, clients that leave, slow clients and malformed requests, while
// Redis and PostgreSQL are killed and restored, the configuration is reloaded and, once, the server is killed. Prints what
// happened in each tenth of the time. Exit status 1: an answer was wrong, or a request failed that should not have.
import { parseArgs } from 'node:util';

import { cards, Client } from './lib/client.mjs';
import { machine, quantile, show, slope, table } from './lib/figures.mjs';
import { Fovea, Postgres, Redis, sleep, temporaryFolder } from './lib/server.mjs';
import { cancelled, random, readAlone, slowClients, Tally, traffic } from './lib/traffic.mjs';

const { values: options } = parseArgs({ options: { minutes: { type: 'string', default: '30' }, seed: { type: 'string', default: '1' },
  rate: { type: 'string', default: '8' } } });
const minutes = Number(options.minutes);
const rate = Number(options.rate);
if (!(minutes > 0) || !(rate > 0)) {
  console.error('soak: expected --minutes and --rate over 0');
  process.exit(2);
}
const model = process.env.FOVEA_LOAD_MODEL ?? 'card-reader-m';
const draw = random(Number(options.seed));
const folder = temporaryFolder();
const redis = await new Redis().start();
const postgres = await new Postgres(folder).start();
const server = await new Fovea({ folder, model, config: `server.log_level = "warn"
[cache]
memory_entries = 50
redis_url = "${redis.url()}"
database_url = "${postgres.url()}"
` }).start();
const client = new Client(server.port);
const pictures = cards();
console.error(`reading ${pictures.length} pictures alone`);
const truth = await readAlone(client, pictures);

const stop = { now: false };
const begin = Date.now();
const minute = () => (Date.now() - begin) / 60_000;
const log = (text) => console.error(`${minute().toFixed(1)} min: ${text}`);
let tally = new Tally();
const proxy = { judge: (...all) => tally.judge(...all) };

// Half of the requests are for 40 favourites, as a seller's repeated cards are; one in ten is computed anew.
const choose = () => ({ index: Math.floor(draw() < 0.5 ? 40 * draw() : pictures.length * draw()),
  query: draw() < 0.1 ? '?cache=refresh' : draw() < 0.1 ? '?priority=batch' : '' });
const running = [traffic({ client, pictures, truth, rate, stop, tally: proxy, choose, patience: 20_000 })];

/** `body` again and again, `everyS` seconds apart. */
function repeat(everyS, body) {
  running.push((async () => {
    while (!stop.now) {
      for (let waited = 0; waited < everyS && !stop.now; waited += 0.2) await sleep(200);
      if (!stop.now) await body();
    }
  })());
}
let streams = 0, brokenStreams = 0, refusals = 0, odd = 0;
repeat(7, async () => {
  const events = await client.stream({ picture: pictures[Math.floor(draw() * pictures.length)], text: 'What is on the card?',
    tokens: 40 }).catch(() => 0);
  if (events > 0) ++streams;
  else ++brokenStreams;
});
repeat(11, () => cancelled(client, pictures, 20, 4, draw));
repeat(20, async () => {
  const slow = slowClients(server.port, 50, 500);
  await sleep(5000);
  slow.end();
});
const malformed = [
  { body: Buffer.from('not a picture'), headers: { 'Content-Type': 'image/png' } },
  { body: pictures[0].subarray(0, 500), headers: { 'Content-Type': 'image/webp' } },
  { path: '/v1/chat/completions', body: Buffer.from('{"messages": ['), headers: { 'Content-Type': 'application/json' } },
  { body: Buffer.from('--x\r\nbroken'), headers: { 'Content-Type': 'multipart/form-data; boundary=x' } },
  { path: '/recognize?task=palmistry', body: pictures[0], headers: { 'Content-Type': 'image/webp' } },
];
repeat(3, async () => {
  const answer = await client.request(malformed[Math.floor(draw() * malformed.length)]);
  if (answer.status >= 400 && answer.status < 500) ++refusals;
  else if (answer.status !== 0) ++odd;
});

// The faults, spread over the time.
const at = (share, what, body) => running.push((async () => {
  while (minute() < share * minutes && !stop.now) await sleep(200);
  if (stop.now) return;
  log(what);
  await body();
})());
for (const share of [0.1, 0.4, 0.7]) {
  at(share, 'Redis is killed', () => redis.kill());
  at(share + 0.04, 'Redis is back', () => redis.start());
}
for (const share of [0.2, 0.5]) {
  at(share, 'PostgreSQL is killed', () => postgres.kill());
  at(share + 0.06, 'PostgreSQL is back', () => postgres.start());
}
at(0.3, 'the configuration is read again (SIGHUP)', () => server.child.kill('SIGHUP'));
let restartMs = NaN;
at(0.6, 'the server is killed (SIGKILL) and started', async () => {
  await server.end('SIGKILL');
  await server.start();
  restartMs = server.readyMs;
});
at(0.8, 'both databases are killed', () => Promise.all([redis.kill(), postgres.kill()]));
at(0.85, 'both are back', () => Promise.all([redis.start(), postgres.start()]));

const rows = [];
const memory = [];
const whole = new Tally();
let born = server.child.pid;
for (let part = 1; part <= 10; ++part) {
  while (minute() < part * minutes / 10) {
    await sleep(Math.min(2000, minutes * 600));
    try {
      if (server.child.pid !== born) memory.length = 0;  // a new process has a slope of its own
      born = server.child.pid;
      memory.push([minute(), server.memory()]);
    } catch { /* it is just being started again */ }
  }
  const done = tally;
  tally = new Tally();
  rows.push([`${(minutes * part / 10).toFixed(1)} min`, done.asked, done.good, done.shed, done.failed, done.wrong,
    `${(100 * done.availability()).toFixed(2)} %`, quantile(done.ms, 0.5), quantile(done.ms, 0.99),
    `${done.tiers.memory} ${done.tiers.redis} ${done.tiers.database} ${done.tiers.computed}`, memory.at(-1)?.[1] ?? NaN]);
  for (const name of ['asked', 'good', 'shed', 'failed', 'wrong']) whole[name] += done[name];
  for (const [name, n] of Object.entries(done.errors)) whole.errors[name] = (whole.errors[name] ?? 0) + n;
}
stop.now = true;
await Promise.all(running);
for (const name of ['asked', 'good', 'shed', 'failed', 'wrong']) whole[name] += tally[name];
// The first fifth of a process's life fills its caches; the slope is of what comes after.
const settled = memory.slice(Math.floor(memory.length / 5));
table(['until', 'asked', 'answered', 'refused in order', 'failed', 'wrong', 'availability', 'p50 ms', 'p99 ms',
  'memory, Redis, database, computed', 'resident MB'], rows);
console.log(`
${whole.asked} requests over ${show(minutes)} min: availability ${(100 * whole.availability()).toFixed(3)} %, ${whole.wrong} wrong answers, ${whole.failed} failed ${JSON.stringify(whole.errors)}.
${streams} streams (${brokenStreams} broken), ${refusals} malformed requests refused (${odd} answered otherwise).
Memory of the process since its restart: ${show(60 * slope(settled))} MB an hour over ${settled.length} readings, last ${show(settled.at(-1)[1])} MB. Ready again ${show(restartMs)} ms after the kill.
${model}, ${await machine()}.`);
client.close();
await server.end();
await Promise.all([redis.kill(), postgres.kill()]);
process.exit(whole.wrong || whole.failed || odd ? 1 : 0);
