// How soon something can be shown: node progressive.mjs [embedded] [large] [overhead]
//
// embedded   mode=progressive on the embedded card readers: milliseconds to the preview and to the answer
// large      the same on one model in the shape of SmolVLM-500M with random weights, int8: a look at the whole picture, then its tiles
// overhead   the router in front of the fast model beside the fast model without a router, in turns
//
// Options: --cards N pictures of the committed clean set (default 40, large: 6), --rounds N of overhead (default 60).
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import http from 'node:http';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { cards, Client } from '../load/lib/client.mjs';
import { machine, median, quantile, table } from '../load/lib/figures.mjs';
import { Fovea, root, temporaryFolder } from '../load/lib/server.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { cards: { type: 'string' }, rounds: { type: 'string', default: '60' } } });
const config = 'server.log_level = "error"\n';
const count = (usual) => Number(values.cards ?? usual);

/** A picture with mode=progressive: {preview, answer: {ms, json}}; preview null where none came. */
function progressive(port, picture, task) {
  return new Promise((resolve, reject) => {
    const begin = process.hrtime.bigint();
    const elapsed = () => Number(process.hrtime.bigint() - begin) / 1e6;
    const request = http.request({ host: '127.0.0.1', port, method: 'POST', path: `/recognize?mode=progressive&cache=off&task=${task}`,
      headers: { 'Content-Type': 'image/webp', 'Content-Length': picture.length } }, (response) => {
      const events = { preview: null, answer: null };
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
          text = text.slice(end + 2);
          if (event in events) events[event] = { ms: elapsed(), json: JSON.parse(data) };
        }
      });
      response.on('end', () => (events.answer ? resolve(events) : reject(new Error(`status ${response.statusCode}: ${text}`))));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(picture);
  });
}

/** One after the other, the first one only to warm up. */
async function measured(port, pictures, task = 'trading-card') {
  await progressive(port, pictures[0], task);
  const all = [];
  for (const picture of pictures.slice(1)) all.push(await progressive(port, picture, task));
  return all;
}

function rowsOf(all) {
  const ms = (event) => all.filter((each) => each[event]).map((each) => each[event].ms);
  return ['preview', 'answer'].map((event) => {
    const times = ms(event);
    const models = [...new Set(all.filter((each) => each[event]).map((each) => each[event].json.model))].join(', ');
    return [event, models || 'none came', times.length, quantile(times, 0.5), quantile(times, 0.95)];
  });
}

async function embedded() {
  const server = await new Fovea({ folder: temporaryFolder(), config }).start();
  const all = await measured(server.port, cards(['clean']).slice(0, count(40) + 1));
  await server.end();
  const same = all.filter(({ preview, answer }) => preview && JSON.stringify(preview.json.fields) === JSON.stringify(answer.json.fields));
  console.log('\nmode=progressive on the embedded card readers: milliseconds from the request\'s first byte\n');
  table(['event', 'model', 'cards', 'p50', 'p95'], rowsOf(all));
  console.log(`\nThe preview already said what the answer said on ${same.length} of ${all.length} cards.`);
}

/** The checkpoint with random weights that `fovea synth-checkpoint` writes once. */
function checkpoint(program) {
  const folder = path.join(process.env.XDG_CACHE_HOME ?? path.join(process.env.HOME, '.cache'), 'fovea-load/smolvlm-500m');
  if (!existsSync(path.join(folder, 'model.safetensors'))) {
    console.error('writing a checkpoint with random weights (about 1 GB)');
    mkdirSync(path.dirname(folder), { recursive: true });
    const made = spawnSync(program, ['synth-checkpoint', '--preset', 'smolvlm-500m', folder], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(made.stderr);
  }
  return folder;
}

/** Fields whose values are closed: random weights would not come to the end of a name. */
const shortTask = `name = "short"
prompt = "How rare is this card?"
fields = [
  { name = "rarity", type = "label", one_of = ["Common", "Uncommon", "Rare"] },
  { name = "first_edition", type = "flag" },
]
`;

async function large() {
  const program = process.env.FOVEA_PROGRAM ?? path.join(root, 'build/release/fovea');
  const model = process.env.FOVEA_LARGE_MODEL ?? checkpoint(program);
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, 'tasks'));
  writeFileSync(path.join(folder, 'tasks/short.toml'), shortTask);
  const withTask = `${config}tasks.directories = ["${path.join(folder, 'tasks')}"]\n`;
  const server = await new Fovea({ folder, config: withTask, model, dtype: process.env.FOVEA_LARGE_MODEL ? undefined : 'int8' }).start();
  const all = await measured(server.port, cards(['clean']).slice(0, count(6) + 1), 'short');
  await server.end();
  console.log('\nmode=progressive on one model, shape of SmolVLM-500M, int8, random weights, an answer of two closed fields: milliseconds from the request\'s first byte\n');
  table(['event', 'model', 'cards', 'p50', 'p95'], rowsOf(all));
}

async function overhead() {
  const routed = await new Fovea({ folder: temporaryFolder(), config }).start();
  const alone = await new Fovea({ folder: temporaryFolder(), config, model: 'card-reader-s' }).start();
  const clients = { routed: new Client(routed.port), alone: new Client(alone.port) };
  const pictures = cards(['clean', 'camera', 'other']);
  const rounds = Math.min(Number(values.rounds), pictures.length - 1);
  const ms = { routed: [], alone: [] };
  for (let round = 0; round <= rounds; ++round) {
    for (const name of round % 2 ? ['alone', 'routed'] : ['routed', 'alone']) {
      const answer = await clients[name].recognize(pictures[round], `?cache=off${name === 'routed' ? '&mode=fast' : ''}`);
      if (answer.status !== 200) throw new Error(`${name}: ${answer.status} ${answer.text ?? answer.error}`);
      if (answer.json.model !== 'card-reader-s') throw new Error(`${name}: expected card-reader-s, ${answer.json.model} answered`);
      if (round > 0) ms[name].push(answer.ms);
    }
  }
  for (const client of Object.values(clients)) client.close();
  await routed.end();
  await alone.end();
  const differences = ms.routed.map((value, i) => value - ms.alone[i]);
  console.log('\nThe router before card-reader-s (mode=fast) beside card-reader-s alone: milliseconds, each picture to both, in turns\n');
  table(['pictures', 'routed, p50', 'alone, p50', 'difference, median', 'quartiles'],
    [[differences.length, median(ms.routed), median(ms.alone), median(differences),
      `${quantile(differences, 0.25).toFixed(2)} to ${quantile(differences, 0.75).toFixed(2)}`]]);
}

const parts = { embedded, large, overhead };
for (const name of positionals) {
  if (!(name in parts)) {
    console.error(`progressive: expected ${Object.keys(parts).join(', ')}; found ${name}`);
    process.exit(2);
  }
}
for (const name of positionals.length ? positionals : Object.keys(parts)) await parts[name]();
console.log(`\n${await machine()}.`);
process.exit(0);
