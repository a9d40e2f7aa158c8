// What the server costs and gives, as tables: node figures.mjs [repeated] [concurrency] [overhead] [large]
//
// repeated     the same upload of 100 KB and 1 MB, one after the other and at 1,000 a second
// concurrency  different pictures from eight clients beside one client, on the embedded reader
// overhead     one client over HTTP beside the program without HTTP, on the embedded reader; and of the same answers what
//              the client waited beyond decoding, encoding, prompt and tokens, in which the machine's neighbours cancel
// large        on a checkpoint in the shape of SmolVLM-500M with random weights, int8: the stall of a stream by
//              another's picture, and eight different pictures side by side, 64 tokens of answer each,
//              FOVEA_LOAD_ROUNDS (4) times: a round takes some minutes on two cores
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { cards, Client, padded } from './lib/client.mjs';
import { machine, median, quantile, table } from './lib/figures.mjs';
import { Fovea, root, sleep, temporaryFolder } from './lib/server.mjs';

const model = process.env.FOVEA_LOAD_MODEL ?? 'card-reader-m';
const config = 'server.log_level = "error"\n';
const largeRounds = Number(process.env.FOVEA_LOAD_ROUNDS ?? 4);

/** Closed loop: `clients` ask for the pictures one by one, in all; the answers, and the seconds it took. */
async function closedLoop(pictures, clients, ask) {
  const answers = [];
  let next = 0;
  const begin = process.hrtime.bigint();
  await Promise.all(Array.from({ length: clients }, async () => {
    while (next < pictures.length) answers.push(await ask(pictures[next++]));
  }));
  return { answers, seconds: Number(process.hrtime.bigint() - begin) / 1e9 };
}

/** Open loop: a request every 1/rate seconds, whatever became of those before. */
async function openLoop(client, picture, rate, seconds) {
  const pending = [];
  const begin = process.hrtime.bigint();
  for (let sent = 0; sent < rate * seconds;) {
    const due = Math.floor(Number(process.hrtime.bigint() - begin) / 1e9 * rate);
    for (; sent < Math.min(due, rate * seconds); ++sent) pending.push(client.recognize(picture));
    await new Promise(setImmediate);
  }
  return Promise.all(pending);
}

function count(answers) {
  const failed = answers.filter((answer) => answer.status !== 200).length;
  const missed = answers.filter((answer) => answer.json?.cached !== 'memory').length;
  return { failed, missed };
}

async function repeated() {
  const server = await new Fovea({ folder: temporaryFolder(), config, model }).start();
  const client = new Client(server.port);
  const rows = [];
  for (const size of [100_000, 1_000_000]) {
    const picture = padded(cards(['clean'])[0], size);
    const first = await client.recognize(picture);
    if (first.status !== 200) throw new Error(`the padded picture was not read: ${first.text}`);
    for (const rate of [0, 1000]) {
      if (rate && size > 100_000) continue;
      const cpu = server.cpu();
      const begin = Date.now();
      const answers = rate ? await openLoop(client, picture, rate, 10)
        : (await closedLoop(Array(2000).fill(picture), 1, (upload) => client.recognize(upload))).answers;
      const load = (server.cpu() - cpu) / ((Date.now() - begin) / 1000);
      const ms = answers.map((answer) => answer.ms);
      const inside = answers.map((answer) => answer.json?.timings?.total_ms ?? NaN);
      const { failed, missed } = count(answers);
      rows.push([`${size / 1000} KB`, rate ? `${rate} a second` : 'one after the other', answers.length, failed, missed,
        quantile(inside, 0.5), quantile(inside, 0.99), quantile(ms, 0.5), quantile(ms, 0.99), load]);
    }
  }
  console.log('\nThe same upload again (milliseconds; "server" from the body\'s last byte to the answer)\n');
  table(['upload', 'arrival', 'requests', 'failed', 'not from memory', 'server p50', 'server p99', 'client p50', 'client p99',
    'processors busy'], rows);
  client.close();
  await server.end();
}

/** Rounds of the same number of fresh pictures by one client and by eight, in turns; pictures a second. */
async function compareConcurrency(pictures, each, rounds, ask) {
  const figures = { 1: [], 8: [] };
  await closedLoop(pictures.splice(0, 1), 1, ask);
  for (let round = 0; round < rounds; ++round) {
    for (const clients of round % 2 ? [8, 1] : [1, 8]) {
      const { answers, seconds } = await closedLoop(pictures.splice(0, each), clients, ask);
      const failed = answers.find((answer) => answer.status !== 200);
      if (failed) throw new Error(`a picture was not answered: ${failed.text ?? failed.error}`);
      figures[clients].push(answers.length / seconds);
    }
  }
  return figures;
}

async function concurrency() {
  const server = await new Fovea({ folder: temporaryFolder(), config, model }).start();
  const client = new Client(server.port);
  const figures = await compareConcurrency(cards(['clean', 'other']), 24, 6, (picture) => client.recognize(picture, '?cache=off'));
  client.close();
  await server.end();
  const ratio = figures[8].map((value, i) => value / figures[1][i]);
  console.log(`\nDifferent pictures, ${model}: pictures a second, medians of ${ratio.length} rounds of 24\n`);
  table(['one client', 'eight clients', 'ratio, median', 'lowest', 'highest'],
    [[median(figures[1]), median(figures[8]), median(ratio), Math.min(...ratio), Math.max(...ratio)]]);
}

/** A data folder with some of the committed pictures, for `fovea evaluate`. */
function dataFolder(folder, from, to) {
  const set = path.join(root, 'models/eval/trading-card/clean');
  const names = spawnSync('sh', ['-c', `sed -n '${from + 1},${to}p' "${set}/manifest.jsonl"`], { encoding: 'utf8' }).stdout;
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'manifest.jsonl'), names);
  for (const line of names.trim().split('\n')) {
    const { image } = JSON.parse(line);
    cpSync(path.join(set, image), path.join(folder, image));
  }
}

async function overhead() {
  const folder = temporaryFolder();
  const server = await new Fovea({ folder, config, model }).start();
  const client = new Client(server.port);
  const pictures = cards(['clean']).slice(0, 100);
  dataFolder(path.join(folder, 'data'), 0, 100);
  const bare = [], http = [], beyond = [];
  for (let round = 0; round < 5; ++round) {
    const run = spawnSync(server.program, ['evaluate', '--task', 'trading-card', '--model', model, '--data',
      path.join(folder, 'data'), '--json'], { encoding: 'utf8', env: { ...process.env, XDG_STATE_HOME: path.join(folder, 'e') } });
    bare.push(JSON.parse(run.stdout).results[0].latency_ms.p50);
    // A server that has seen the pictures would not encode them again: each round has one of its own.
    const other = await new Fovea({ folder: temporaryFolder(), config, model }).start();
    const fresh = new Client(other.port);
    const { answers } = await closedLoop(pictures, 1, (picture) => fresh.recognize(picture, '?cache=off'));
    http.push(median(answers.map((answer) => answer.ms)));
    for (const { ms, json: { timings } } of answers) {
      const engine = timings.image_ms + timings.vision_ms + timings.prefill_ms + timings.decode_ms;
      beyond.push(100 * (ms / engine - 1));
    }
    fresh.close();
    await other.end();
  }
  client.close();
  await server.end();
  const ratio = http.map((value, i) => 100 * (value / bare[i] - 1));
  console.log(`\nOver HTTP and without, ${model}: 100 pictures one after the other, 5 rounds in turns, medians\n`);
  table(['fovea evaluate, p50 ms', 'over HTTP, p50 ms', 'more, %', 'lowest', 'highest'],
    [[median(bare), median(http), median(ratio), Math.min(...ratio), Math.max(...ratio)]]);
  console.log(`\nOf the ${beyond.length} answers over HTTP: what the client waited beyond the engine's own times, in per cent of these\n`);
  table(['p5', 'p50', 'p95'], [[0.05, 0.5, 0.95].map((share) => quantile(beyond, share))]);
}

async function large() {
  const checkpoint = path.join(process.env.XDG_CACHE_HOME ?? path.join(process.env.HOME, '.cache'), 'fovea-load/smolvlm-500m');
  const program = process.env.FOVEA_PROGRAM ?? path.join(root, 'build/release/fovea');
  if (!existsSync(path.join(checkpoint, 'model.safetensors'))) {
    console.error('writing a checkpoint with random weights (about 1 GB)');
    mkdirSync(path.dirname(checkpoint), { recursive: true });
    const made = spawnSync(program, ['synth-checkpoint', '--preset', 'smolvlm-500m', checkpoint], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(made.stderr);
  }
  const server = await new Fovea({ folder: temporaryFolder(), config, model: checkpoint, dtype: 'int8' }).start();
  const client = new Client(server.port);
  const pictures = cards(['clean']);
  const rows = [];
  for (const others of [0, 1, 3]) {
    const times = [];
    const stopped = { now: false };
    let asked = 0;
    const stream = client.stream({ picture: pictures[0], text: 'Tell a long story.', tokens: 400,
      onToken: (time) => times.push(time) });
    while (times.length < 20) await sleep(20);
    const from = times.length;
    const disturb = Array.from({ length: others }, async () => {
      while (!stopped.now) await client.recognize(pictures[1 + asked++], '?cache=off', { signal: AbortSignal.timeout(60_000) });
    });
    await stream;
    stopped.now = true;
    const gaps = times.slice(from + 1).map((time, i) => Number(time - times[from + i]) / 1e6);
    rows.push([others, gaps.length, median(gaps), quantile(gaps, 0.95), quantile(gaps, 0.99), Math.max(...gaps)]);
    await Promise.race([Promise.all(disturb), sleep(60_000)]);
  }
  console.log('\nA stream while others send pictures, shape of SmolVLM-500M, int8: milliseconds between tokens\n');
  table(['other clients', 'tokens', 'p50', 'p95', 'p99', 'longest'], rows);
  const figures = await compareConcurrency(cards(['camera']), 8, largeRounds,
    (picture) => client.chat({ picture, text: 'What is printed on this card?', tokens: 64 }));
  const ratio = figures[8].map((value, i) => value / figures[1][i]);
  console.log('\nDifferent pictures, 64 tokens each, shape of SmolVLM-500M, int8: pictures a second, rounds of 8\n');
  table(['one client', 'eight clients', 'ratio, median', 'lowest', 'highest'],
    [[median(figures[1]), median(figures[8]), median(ratio), Math.min(...ratio), Math.max(...ratio)]]);
  client.close();
  await server.end();
}

const parts = { repeated, concurrency, overhead, large };
const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(parts);
for (const name of wanted) {
  if (!(name in parts)) {
    console.error(`figures: expected ${Object.keys(parts).join(', ')}; found ${name}`);
    process.exit(2);
  }
}
for (const name of wanted) await parts[name]();
console.log(`\n${await machine()}.`);
process.exit(0);
