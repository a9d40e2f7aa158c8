// What happens to the traffic when something breaks: node faults.mjs [FAULT...]
//
// Each fault has a server of its own. The table says how many requests were answered, and every answer is compared with
// what the same picture gave when nothing was broken. Exit status 1: a request failed, an answer was wrong, or the
// server did not come back to normal.
import { readdirSync } from 'node:fs';
import path from 'node:path';

import { cards, Client } from './lib/client.mjs';
import { machine, quantile, slope, table } from './lib/figures.mjs';
import { Fovea, Postgres, Redis, sleep, temporaryFolder, until } from './lib/server.mjs';
import { cancelled, random, readAlone, slowClients, Tally, traffic } from './lib/traffic.mjs';

const model = process.env.FOVEA_LOAD_MODEL ?? 'card-reader-m';
const pictures = cards(['clean']).slice(0, 24);
const base = 'server.log_level = "warn"\n';
const mostGrowth = 30;  // megabytes in a thousand requests that came to nothing
const adminToken = 'administrator-of-the-test';
const rows = [];
let bad = 0;

function report(fault, tally, note, ok = true) {
  const fine = ok && tally.failed === 0 && tally.wrong === 0 && tally.good > 0;
  if (!fine) ++bad;
  rows.push([fault, tally.asked, tally.good, tally.shed, tally.failed, tally.wrong, quantile(tally.ms, 0.5),
    quantile(tally.ms, 0.99), note, fine ? 'yes' : 'NO']);
  console.error(`${fine ? 'ok  ' : 'FAIL'} ${fault}: ${note} ${JSON.stringify(tally.errors)} ${JSON.stringify(tally.tiers)}`);
}

async function withServer(options, body) {
  const folder = options.folder ?? temporaryFolder();
  const server = await new Fovea({ folder, config: base, model, ...options }).start();
  const client = new Client(server.port);
  try {
    const truth = await readAlone(client, pictures);
    await body({ server, client, truth, folder });
  } finally {
    client.close();
    await server.end();
  }
}

/** Traffic while `during` runs; its tally. */
async function under(load, during) {
  const tally = new Tally(load.allowed);
  const stop = { now: false };
  const draw = random(7);
  const queries = load.queries ?? ['', '', '', '?cache=refresh'];
  const running = traffic({ ...load, rate: load.rate ?? 12, pictures, stop, tally,
    choose: () => ({ index: Math.floor(draw() * pictures.length), query: queries[Math.floor(draw() * queries.length)] }) });
  try {
    await during(tally);
  } finally {
    stop.now = true;
    await running;
  }
  return tally;
}

const tierState = async (client, tier) => (await client.stats()).backend.cache[tier].state;

const faults = {
  /** Redis is killed under load, stays away, and comes back. */
  async redis() {
    const redis = await new Redis().start();
    const config = `${base}[cache]\nmemory_entries = 4\nredis_url = "${redis.url()}"\n`;
    await withServer({ config }, async ({ client, truth }) => {
      const tally = await under({ client, truth }, async () => {
        await sleep(2000);
        await redis.kill();
        await until('Redis is seen to be down', async () => await tierState(client, 'redis') === 'down');
        await sleep(3000);
        await redis.start();
        await until('Redis is used again', async () => await tierState(client, 'redis') === 'up');
        await sleep(2000);
      });
      report('Redis killed, then back', tally, `${tally.tiers.redis} from Redis`, tally.tiers.redis > 0);
    });
    await redis.kill();
  },

  /** The same with PostgreSQL as the database. */
  async postgres() {
    const folder = temporaryFolder();
    const postgres = await new Postgres(folder).start();
    const config = `${base}[cache]\nmemory_entries = 4\ndatabase_url = "${postgres.url()}"\n`;
    await withServer({ folder, config }, async ({ client, truth }) => {
      const tally = await under({ client, truth }, async () => {
        await sleep(2000);
        await postgres.kill();
        await until('PostgreSQL is seen to be down', async () => await tierState(client, 'database') === 'down');
        await sleep(3000);
        await postgres.start();
        await until('PostgreSQL is used again', async () => await tierState(client, 'database') === 'up', 90);
        await sleep(2000);
      });
      report('PostgreSQL killed, then back', tally, `${tally.tiers.database} from the database`, tally.tiers.database > 0);
    });
    await postgres.kill();
  },

  /** The disk under SQLite is full from the start: 96 KiB for answers, reviews and digests. */
  async disk() {
    let full = null;
    try {
      await withServer({ mount: 98304 }, async ({ server, client, truth }) => {
        full = await under({ client, truth }, () => sleep(6000));
        const { errors, state, last_error: error } = (await client.stats()).backend.cache.database;
        report('disk full under SQLite', full, `database ${state}: ${error ?? 'no error'}`, errors > 0 && server.child.exitCode === null);
      });
    } catch (error) {
      if (full !== null || !/unshare|mount/.test(error.message)) throw error;
      console.error(`skip disk full: a file system of its own cannot be made here (${error.message.trim().split('\n').pop()})`);
    }
  },

  /** 500 connections that send a byte a second, and everyone else. */
  async slow() {
    await withServer({}, async ({ server, client, truth }) => {
      const slow = slowClients(server.port, 500);
      await sleep(1500);
      let open = 0;
      const tally = await under({ client, truth }, async () => {
        await sleep(4000);
        open = slow.open();
        await sleep(8000);
      });
      const left = slow.open();
      slow.end();
      report('500 slow clients', tally, `${open} connected, ${left} after the header's time limit`, open === 500 && left === 0);
    });
  },

  /** 2,000 requests whose clients leave within 40 ms; their work must not go on, nor what it held stay. */
  async cancel() {
    await withServer({}, async ({ server, client, truth }) => {
      // What stays by intention, the pages of each picture's beginning, is there before; and afterwards, when every picture was
      // read to its end once more, nothing else is.
      const kept = async () => {
        let used = NaN;
        await until('the queue is empty', async () => {
          const { queue, kv } = (await client.stats()).backend;
          used = kv.used_bytes;
          return queue.running === 0 && Object.values(queue.waiting).every((count) => count === 0);
        }, 10);
        return used;
      };
      const kvBefore = await kept();
      const leaving = new Client(server.port, 32);
      const memory = [];
      const draw = random(3);
      const tally = await under({ client, truth, rate: 4, queries: [''] }, async () => {
        for (let left = 0; left < 2000; left += 250) {
          await cancelled(leaving, pictures, 250, 16, draw);
          memory.push([(left + 250) / 1000, server.memory()]);
        }
      });
      await kept();
      for (let i = 0; i < pictures.length; ++i) tally.judge(await client.recognize(pictures[i], '?cache=off'), truth[i]);
      const kvAfter = await kept();
      leaving.close();
      // The first half fills allocators and buffers. After it, one lost picture a request would be 1,000 MB a thousand.
      const growth = slope(memory.slice(memory.length / 2));
      report('2,000 cancelled requests', tally,
        `queue empty, keys and values ${(kvBefore / 1e6).toFixed(2)} MB before and ${(kvAfter / 1e6).toFixed(2)} after, memory `
        + `${memory.at(-1)[1].toFixed(0)} MB and ${growth.toFixed(1)} MB a thousand more`,
        kvAfter === kvBefore && growth < mostGrowth);
    });
  },

  /** kill -9 under load and a start with what is left: answers given before are there, none is another's. */
  async kill() {
    await withServer({}, async ({ server, client, truth }) => {
      for (let i = 0; i < pictures.length; ++i) await client.recognize(pictures[i], '?cache=refresh');
      await until('answers are written', async () => (await client.stats()).backend.cache.database.queued_writes === 0);
      let restart = 0;
      const tally = await under({ client, truth, patience: 20_000 }, async () => {
        await sleep(2000);
        await server.end('SIGKILL');
        await server.start();
        restart = server.readyMs;
        await sleep(4000);
      });
      const kept = new Tally();
      for (let i = 0; i < pictures.length; ++i) kept.judge(await client.recognize(pictures[i]), truth[i]);
      const files = readdirSync(path.join(server.folder, 'state/fovea'));
      report('kill -9 under load, restart', tally,
        `ready after ${restart.toFixed(0)} ms; ${kept.good - kept.tiers.computed} of ${pictures.length} answers kept; ${files.length} files`,
        kept.wrong === 0 && kept.tiers.computed === 0);
    });
  },

  /** More than can be computed: what is over is refused at once with 429 and a time to come again, what was let in is answered. */
  async overload() {
    await withServer({ config: `${base}[limits]\nqueue_capacity = 8\n` }, async ({ client, truth }) => {
      const tally = await under({ client, truth, rate: 150, queries: ['?cache=off'], allowed: [429] }, () => sleep(6000));
      const after = await client.recognize(pictures[0], '?cache=off');
      tally.judge(after, truth[0]);
      const refused = (status) => tally.statuses[status] ?? 0;
      report('150 requests a second, queue of 8', tally,
        `${refused(429)} refused with 429, ${tally.retryAfter} with Retry-After; ${refused(503)} with 503, ${refused(504)} with 504`,
        refused(429) > 0 && tally.retryAfter === refused(429) && after.status === 200);
    });
  },

  /** Draining under load: what was let in is answered, the process ends by itself. */
  async drain() {
    await withServer({}, async ({ server, client, truth }) => {
      const tally = new Tally();
      const asked = pictures.map((picture, i) => client.recognize(picture, '?cache=off').then((answer) => tally.judge(answer, truth[i])));
      await sleep(300);
      server.child.kill('SIGTERM');
      await Promise.all(asked);
      await until('the process ends', () => server.child.exitCode !== null);
      report('SIGTERM with 24 requests in flight', tally, `exit status ${server.child.exitCode}`, server.child.exitCode === 0);
    });
  },
};

/** A tally of a server with several models: an answer is compared with what the model that it names says of the picture. */
class ModelTally extends Tally {
  constructor() {
    super([]);  // to refuse is to fail here: the other model can answer
    this.degraded = 0;
    this.rules = {};
  }
  judge(answer, expected) {
    super.judge(answer, expected[answer.json?.model]);
    if (answer.status !== 200) return;
    this.degraded += answer.json.degraded ? 1 : 0;
    const { rule } = answer.json.decision;
    this.rules[rule] = (this.rules[rule] ?? 0) + 1;
    this.last = answer.json;
  }
}

/**
 * The accurate model fails on purpose for a while, as `[[faults]]` says. No request may fail: the fast model stands in, marked as
 * degraded; the breaker is seen to open in /stats, /metrics and /admin/breakers; afterwards it closes and the accurate model answers.
 */
async function modelFails(kind) {
  const few = pictures.slice(0, 12);
  const pair = { fast: 'card-reader-s', accurate: 'card-reader-m' };
  const truth = few.map(() => ({}));
  let usual = 0;
  await withServer({ model: undefined }, async ({ client }) => {
    for (const [mode, name] of Object.entries(pair)) {
      for (let i = 0; i < few.length; ++i) {
        const answer = await client.recognize(few[i], `?cache=off&mode=${mode}`);
        if (answer.json?.model !== name) throw new Error(`mode=${mode}: expected ${name}, found ${answer.text}`);
        truth[i][name] = JSON.stringify(answer.json.fields);
        if (mode === 'accurate') usual = Math.max(usual, answer.ms);
      }
    }
  });
  // Only who waits in vain needs the time limit: three such calls open the breaker.
  const waits = kind === 'slow' || kind === 'hang';
  const timeout = Math.ceil(Math.max(1500, (waits ? 4 : 20) * usual)), seconds = Math.ceil(15 + (waits ? 4 * timeout / 1000 : 0));
  const config = `${base}[auth]\nadmin_token = "${adminToken}"\n[router.models.${pair.accurate}]\ntimeout_ms = ${timeout}\n`
    + '[router.breaker]\nwindow_s = 5\nminimum_calls = 3\nopen_s = 2\nhalf_open_probes = 2\n'
    + `[[faults]]\nmodel = "${pair.accurate}"\nkind = "${kind}"\nprobability = 1\nfor_s = ${seconds}\ndelay_ms = ${4 * timeout}\n`;
  const folder = temporaryFolder();
  const server = await new Fovea({ folder, config }).start();
  const client = new Client(server.port);
  const stop = { now: false }, draw = random(7), tally = new ModelTally();
  // Two clients that wait for their answers: what is slow must be the fault, not a queue. They want the accurate model, whatever
  // the task's own strategy is.
  const running = Promise.all([1, 2].map(async () => {
    while (!stop.now) {
      const index = Math.floor(draw() * few.length);
      tally.judge(await client.recognize(few[index], '?cache=off&mode=accurate'), truth[index]);
    }
  }));
  const seen = { stats: false, metrics: false, admin: false };
  const breaker = async () => {
    const { json } = await client.request({ method: 'GET', path: '/admin/breakers', headers: { Authorization: `Bearer ${adminToken}` } });
    return json[pair.accurate];
  };
  try {
    await until('the breaker opens', async () => {
      const { state } = await breaker();
      seen.admin ||= state === 'open';
      seen.stats ||= (await client.stats()).backend.router.models[pair.accurate].breaker !== 'closed';
      const { text } = await client.request({ method: 'GET', path: '/metrics' });
      seen.metrics ||= /fovea_model_admits_calls\{[^}]*model="card-reader-m"[^}]*\} 0/.test(text);
      return seen.admin && seen.stats && seen.metrics;
    }, seconds + 10);
    await until('the breaker closes', async () => (await breaker()).state === 'closed', seconds + 60);
    await until('the accurate model answers', () => tally.last?.model === pair.accurate && !tally.last.degraded, 60);
  } finally {
    stop.now = true;
    await running;
    client.close();
    await server.end();
  }
  report(`${pair.accurate}: ${kind} for ${seconds} s`, tally,
    `${tally.degraded} answered by ${pair.fast}, degraded; breaker open in /stats, /metrics, /admin/breakers, then closed`, tally.degraded > 0);
}
for (const kind of ['error', 'slow', 'hang', 'wrong-shape']) faults[`model-${kind}`] = () => modelFails(kind);

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(faults);
for (const name of wanted) {
  if (!(name in faults)) {
    console.error(`faults: expected ${Object.keys(faults).join(', ')}; found ${name}`);
    process.exit(2);
  }
}
for (const name of wanted) await faults[name]();
table(['fault', 'asked', 'answered', 'refused in order', 'failed', 'wrong', 'p50 ms', 'p99 ms', 'seen', 'as it should be'], rows);
console.log(`\n${model}, ${await machine()}.`);
process.exit(bad ? 1 : 0);
