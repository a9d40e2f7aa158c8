// Accuracy against compute of every way in which a fast and an accurate model can work together. README.md says how to run it.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { machine } from '../load/lib/figures.mjs';
import { root } from '../load/lib/server.mjs';
import { drawChart } from './lib/chart.mjs';
import { byEvaluate, byServer, registryWith } from './lib/confirm.mjs';
import { toHtml, toMarkdown, verdict } from './lib/document.mjs';
import { cascadeRow, choose, chooseWeight, choosesThreshold, costs, crossed, curve, joined, strategyRows } from './lib/figures.mjs';
import { CardReader, missingData, readAll, readManifest, taskDigest } from './lib/read.mjs';

const task = 'trading-card';
const claim = { points: 0.005, compute: 0.5 };
const home = 'clean';  // the split that chooses the threshold

function readArguments() {
  const options = {
    data: { type: 'string', default: path.join(root, 'build/cards-eval') },
    out: { type: 'string', default: path.join(root, 'build/cascade-report') },
    fast: { type: 'string', default: path.join(root, 'models/card-reader-s') },
    accurate: { type: 'string', default: path.join(root, 'models/card-reader-m') },
    splits: { type: 'string', default: 'clean,camera' },
    limit: { type: 'string', default: '0' },
    choose: { type: 'string', default: 'accuracy' },
    margin: { type: 'string', default: '0' },
    confirm: { type: 'string', default: '256' },
    serve: { type: 'string', default: '24' },
    threads: { type: 'string', default: '0' },
    ship: { type: 'boolean', default: false },
    docs: { type: 'boolean', default: false },
  };
  const { values } = parseArgs({ options });
  for (const name of ['limit', 'margin', 'confirm', 'serve', 'threads']) {
    values[name] = Number(values[name]);
    if (!(values[name] >= 0)) throw new Error(`--${name}: expected a number from 0 on`);
  }
  if (!['accuracy', 'budget'].includes(values.choose)) throw new Error('--choose: expected accuracy or budget');
  for (const name of ['data', 'out', 'fast', 'accurate']) values[name] = path.resolve(values[name]);
  values.splits = values.splits.split(',');
  if (!values.splits.includes(home)) throw new Error(`--splits: expected ${home} among them, which chooses the threshold`);
  return values;
}

/** What `fovea calibrate` stores, with what the threshold was chosen by (src/recognize/cascade_threshold.cc). */
function storedThreshold(digest, models, threshold, madeFrom) {
  return `${JSON.stringify({ [task]: { threshold, task_digest: digest, fast_version: models.fast.version,
    accurate: models.accurate.name, accurate_version: models.accurate.version, made_from: madeFrom } }, null, 2)}\n`;
}

const versionOf = ({ answers }) => {
  const versions = new Set([...answers.values()].map(({ model_version: version }) => version));
  if (versions.size !== 1) throw new Error(`expected answers of one version of a model, found ${[...versions].join(', ')}`);
  return [...versions][0];
};

async function main() {
  const args = readArguments();
  const missing = missingData(args.data, args.splits);
  if (missing) {
    console.error(`cascade-report: ${missing}`);
    return 2;
  }
  const program = process.env.FOVEA_PROGRAM ?? path.join(root, 'build/release/fovea');
  const sets = args.splits.map((name) => ({ name, ...readManifest(path.join(args.data, name), args.limit || Infinity) }));
  const digest = taskDigest(program, task);
  const reader = (folder) => new CardReader({ program, folder, task, digest, threads: args.threads, answers: path.join(args.out, 'answers') });
  const readers = { fast: reader(args.fast), accurate: reader(args.accurate) };
  const readings = (await readAll([readers.fast, readers.accurate], sets))
    .map((read) => ({ fast: read[readers.fast.name], accurate: read[readers.accurate.name] }));
  const cost = costs(readings, args);
  const cards = Object.fromEntries(sets.map((set, i) => [set.name, joined(set.cards, readings[i].fast, readings[i].accurate)]));

  // One threshold ships.
  const choosing = cards[home].filter(choosesThreshold);
  const chosen = choose(choosing, cost.cpu_s.ratio, { margin: args.margin, budget: claim.compute });
  if (!chosen.accuracy) throw new Error('no threshold reaches the accurate model’s accuracy, not even one that always escalates');
  const weight = chooseWeight(choosing);
  const names = { accuracy: 'cascade', budget: `cascade within ${100 * claim.compute} %` };
  const cascades = Object.entries(names).filter(([by]) => chosen[by]).map(([by, name]) => [name, chosen[by].threshold]);
  const ships = chosen[args.choose];
  if (!ships) throw new Error(`--choose budget: ${readers.fast.name} alone costs more than ${100 * claim.compute} %`);
  const splits = args.splits.map((name) => {
    const judged = name === home ? cards[name].filter((card) => !choosesThreshold(card)) : cards[name];
    return { name, cards: cards[name].length, judged: judged.length, rows: strategyRows(judged, cascades, weight, cost),
      curve: curve(judged, cost),
      crossed: name === home ? crossed(cards[name], cost.cpu_s.ratio, { margin: args.margin, budget: claim.compute }, cost) : null };
  });

  const models = Object.fromEntries(['fast', 'accurate'].map((role) =>
    [role, { name: readers[role].name, version: versionOf(readings[0][role]) }]));
  const { threshold } = ships;
  const onChoosing = cascadeRow('cascade', choosing, threshold, cost);
  const stored = storedThreshold(digest, models, threshold, { program: 'benchmarks/cascade/report.mjs', pictures: choosing.length,
    relative_cost: cost.cpu_s.ratio, accuracy: onChoosing.accuracy, interval95: onChoosing.interval95, escalated: onChoosing.escalated });
  mkdirSync(args.out, { recursive: true });
  writeFileSync(path.join(args.out, 'cascade.json'), stored);

  let confirmed = null;
  const judged = cards[home].filter((card) => !choosesThreshold(card)).slice(0, args.confirm);
  if (judged.length > 0) {
    console.error(`confirming: fovea evaluate --model cascade on ${judged.length} cards, then a server on ${Math.min(args.serve, judged.length)}`);
    const registry = registryWith(path.join(args.out, 'registry'), args, stored);
    const { escalated } = cascadeRow('cascade', judged, threshold, cost);
    const evaluate = byEvaluate({ program, task, threads: args.threads, folder: path.join(args.out, 'confirm'), registry, cards: judged,
      threshold, escalated: Math.round(escalated * judged.length) });
    const served = args.serve === 0 ? []
      : await byServer({ registry, task, threads: args.threads, models: args, cards: judged.slice(0, args.serve), threshold });
    confirmed = { evaluate, served };
  }

  const report = { machine: (await machine()).replace(/, Node.*/, ''), date: new Date().toISOString().slice(0, 10), models, claim, cost,
    choice: { split: home, cards: choosing.length, margin: args.margin, weight, ...chosen }, splits, confirmed,
    verdict: verdict({ rows: splits.find(({ name }) => name === home).rows, claim, split: home }) };
  const chart = drawChart(splits.map((split) => ({ title: split.name, subtitle: `${split.judged} cards; whole cards read right, %`, rows: split.rows,
    curve: split.curve, chosen: names[args.choose], limit: claim })));
  writeFileSync(path.join(args.out, 'report.json'), `${JSON.stringify(report, null, 1)}\n`);
  writeFileSync(path.join(args.out, 'report.md'), toMarkdown(report, 'chart.svg'));
  writeFileSync(path.join(args.out, 'chart.svg'), chart);
  writeFileSync(path.join(args.out, 'report.html'), toHtml(report, chart));
  console.log(readFileSync(path.join(args.out, 'report.md'), 'utf8'));
  console.error(`written: ${['report.md', 'report.html', 'chart.svg', 'report.json', 'cascade.json'].map((name) => path.join(args.out, name)).join(' ')}`);
  const agreed = !confirmed || (confirmed.evaluate.same && confirmed.served.every(({ same }) => same));
  if (!agreed) {
    console.error('cascade-report: the program answers otherwise than computed (see "Confirmed by the program")');
    return 1;
  }
  if (args.ship) {
    cpSync(path.join(args.out, 'cascade.json'), path.join(args.fast, 'cascade.json'));
    console.error(`the threshold is stored in ${path.join(args.fast, 'cascade.json')}`);
  }
  if (args.docs) {
    const docs = path.join(root, 'docs');
    cpSync(path.join(args.out, 'chart.svg'), path.join(docs, 'cascade-report.svg'));
    writeFileSync(path.join(docs, 'cascade-report.md'), toMarkdown(report, 'cascade-report.svg'));
    console.error(`figures: ${path.join(docs, 'cascade-report.md')}`);
  }
  return 0;
}

main().then((status) => process.exit(status), (error) => {
  console.error(`cascade-report: ${error.message}`);
  process.exit(3);
});
