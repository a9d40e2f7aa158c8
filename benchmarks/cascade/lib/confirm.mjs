// The figures come from each model's answers alone; here the program itself takes the whole way, on some of the cards.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { Client } from '../../load/lib/client.mjs';
import { Fovea, temporaryFolder } from '../../load/lib/server.mjs';
import { cascade, isRight, verify, vote } from './strategies.mjs';

/** A folder for XDG_DATA_HOME with copies of both models, the fast one's with the threshold: nothing else changes. */
export function registryWith(folder, models, threshold) {
  rmSync(folder, { recursive: true, force: true });
  for (const model of [models.fast, models.accurate]) {
    const copy = path.join(folder, 'fovea/models', path.basename(model));
    mkdirSync(path.dirname(copy), { recursive: true });
    cpSync(model, copy, { recursive: true });
    if (model === models.fast) writeFileSync(path.join(copy, 'cascade.json'), threshold);
  }
  return folder;
}

/** `fovea evaluate --model cascade` on cards: its count of whole cards must be the computed one. */
export function byEvaluate({ program, task, threads, folder, registry, cards, threshold, escalated }) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'manifest.jsonl'),
    cards.map(({ image, truth }) => `${JSON.stringify({ image, truth })}\n`).join(''));
  const run = spawnSync(program, ['evaluate', '--task', task, '--model', 'cascade', '--data', folder, '--json',
    ...(threads ? ['--threads', String(threads)] : [])],
  { encoding: 'utf8', env: { ...process.env, XDG_DATA_HOME: registry }, maxBuffer: 1 << 26 });
  if (run.status > 1 || run.error) throw new Error(`fovea evaluate --model cascade: ${run.error ?? run.stderr}`);
  const [result] = JSON.parse(run.stdout).results;
  const right = cards.filter((card) => isRight(cascade(card.fast, card.accurate, threshold).answer, card.truth)).length;
  const found = Math.round(result.accuracy * result.n);
  const same = result.n === cards.length && found === right && result.strategy === 'cascade' && result.threshold === threshold
    && Math.round(result.escalated * result.n) === escalated;
  return { cards: cards.length, computed: right, evaluated: found, strategy: result.strategy, threshold: result.threshold,
    escalated: { computed: escalated, evaluated: Math.round((result.escalated ?? 0) * result.n) }, same };
}

/** A server with each strategy: its fields, card by card, must be those computed. */
export async function byServer({ registry, task, threads, models, cards, threshold }) {
  const names = { fast: path.basename(models.fast), accurate: path.basename(models.accurate) };
  const expected = {
    cascade: ({ fast, accurate }) => cascade(fast, accurate, threshold).answer,
    verify: ({ fast, accurate }) => verify(fast, accurate),
    ensemble: ({ fast, accurate }) => vote([{ weight: 1, answer: accurate }, { weight: 1, answer: fast }]),
  };
  const results = [];
  for (const [strategy, answerOf] of Object.entries(expected)) {
    const config = `server.log_level = "error"\n${threads ? `[engine]\nthreads = ${threads}\n` : ''}`
      + `[models]\n"${names.accurate}" = "${path.join(registry, `fovea/models/${names.accurate}`)}"\n"${names.fast}" = "${path.join(registry, `fovea/models/${names.fast}`)}"\n`
      + `[router.tasks.${task}]\nstrategy = "${strategy}"\nfast = "${names.fast}"\naccurate = "${names.accurate}"\n`
      + (strategy === 'ensemble' ? `candidates = ["${names.accurate}", "${names.fast}"]\n` : '')
      + (strategy === 'cascade' ? `threshold = ${threshold}\n` : '');
    const server = await new Fovea({ folder: temporaryFolder(), config, env: { XDG_DATA_HOME: registry } }).start();
    const client = new Client(server.port);
    const different = [];
    for (const card of cards) {
      const answer = await client.recognize(readFileSync(card.image), `?cache=off&task=${task}`);
      const wanted = answerOf(card);
      const same = answer.status === 200 ? JSON.stringify(answer.json.fields) === JSON.stringify(wanted.fields) : !wanted.ok;
      if (!same) different.push(card.id);
    }
    client.close();
    await server.end();
    results.push({ strategy, cards: cards.length, different, same: different.length === 0 });
  }
  return results;
}
