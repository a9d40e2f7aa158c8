// Reads cards with a model through `fovea recognize`, once each: what was read is kept as JSON lines, and a run that was
// interrupted goes on where it stopped.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** Cards that one process reads. Long enough for its start not to count, short enough for two models to take turns. */
const chunkCards = 64;

/** The cards of a folder, [{id, image, truth}] in the manifest's order, and a digest that tells it from other folders. */
export function readManifest(folder, limit = Infinity) {
  const text = readFileSync(path.join(folder, 'manifest.jsonl'), 'utf8');
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 8);
  const cards = text.split('\n').filter((line) => line.trim()).slice(0, limit).map((line) => {
    const { image, truth } = JSON.parse(line);
    return { id: path.parse(image).name, image: path.resolve(folder, image), truth };
  });
  return { digest, cards };
}

/** The model as it answers now: a digest of the task and of every file that decides its answers or their confidences. */
function digestOf(folder, taskDigest) {
  const hash = createHash('sha256').update(`${taskDigest}\n`);
  const deciding = /^(calibration|config|generation_config|preprocessor_config|processor_config|tokenizer|tokenizer_config)\.json$|^model.*\.safetensors(\.index\.json)?$/;
  for (const name of readdirSync(folder).filter((each) => deciding.test(each)).sort()) {
    hash.update(`${name}\n`).update(readFileSync(path.join(folder, name)));
  }
  return hash.digest('hex').slice(0, 12);
}

/** The task's digest, as `fovea tasks show` tells it. */
export function taskDigest(program, task) {
  const shown = spawnSync(program, ['tasks', 'show', task, '--json'], { encoding: 'utf8' });
  if (shown.status !== 0) throw new Error(`fovea tasks show ${task}: ${shown.stderr}`);
  return JSON.parse(shown.stdout).digest;
}

/** A model on its way through the cards. `folder`: its checkpoint. */
export class CardReader {
  constructor({ program, folder, task, digest, threads, answers }) {
    if (!existsSync(path.join(folder, 'config.json'))) throw new Error(`${folder}: no model here (config.json)`);
    Object.assign(this, { program, folder, task, threads, answers, name: path.basename(folder), key: digestOf(folder, digest) });
    mkdirSync(answers, { recursive: true });
  }

  #file({ name, digest }) { return path.join(this.answers, `${name}-${digest}-${this.name}-${this.key}.jsonl`); }

  /** What is stored of a split: {answers: Map of id to answer, chunks: Map of first id to {cards, cpu_s}}. */
  stored(split) {
    const answers = new Map(), chunks = new Map();
    const file = this.#file(split);
    if (!existsSync(file)) return { answers, chunks };
    let text = readFileSync(file, 'utf8');
    if (text && !text.endsWith('\n')) {  // it was cut off while it wrote
      text = text.slice(0, text.lastIndexOf('\n') + 1);
      writeFileSync(file, text);
    }
    for (const line of text.split('\n').filter(Boolean)) {
      const entry = JSON.parse(line);
      if (entry.chunk) chunks.set(entry.chunk.from, entry.chunk);
      else answers.set(entry.id, entry);
    }
    return { answers, chunks };
  }

  /** Reads these cards in one process and stores them with the processor time they took. */
  async read(split, cards, onCard) {
    const args = ['recognize', '--json', '--task', this.task, '--model', this.folder, '--concurrency', '1',
      ...(this.threads ? ['--threads', String(this.threads)] : []), ...cards.map(({ image }) => image)];
    const file = this.#file(split);
    const idOf = new Map(cards.map(({ image, id }) => [image, id]));
    // The shell's own "time" says how much processor time its child took.
    const child = spawn('bash', ['-c', 'TIMEFORMAT="cpu %U %S"; time "$@"', 'bash', this.program, ...args],
      { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const stop = () => process.kill(-child.pid);  // the shell and its child
    process.once('exit', stop);
    let errors = '', lines = '';
    child.stderr.on('data', (text) => { errors = (errors + text).slice(-20_000); });
    for await (const line of createInterface({ input: child.stdout })) {
      const { file: image, ok, error, fields, confidence, model, model_version: version, timings } = JSON.parse(line);
      const id = idOf.get(image);
      if (id === undefined) throw new Error(`${this.program} answered about ${image}, which was not asked`);
      lines += `${JSON.stringify({ id, ok, ...(ok ? { fields, confidence } : { error }), model, model_version: version,
        total_ms: timings.total_ms })}\n`;
      onCard();
    }
    const status = child.exitCode ?? await new Promise((resolve) => child.once('close', resolve));
    process.removeListener('exit', stop);
    const cpu = /cpu ([\d.]+) ([\d.]+)\s*$/.exec(errors);
    // 1: some pictures could not be read, and their answers say so.
    if (status > 1 || !cpu) throw new Error(`${this.program} ${args.slice(0, 12).join(' ')} …: ${errors.trim() || `exit status ${status}`}`);
    const chunk = { from: cards[0].id, cards: cards.length, cpu_s: Number(cpu[1]) + Number(cpu[2]) };
    appendFileSync(file, `${lines}${JSON.stringify({ chunk })}\n`);
  }
}

function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.round(seconds)} s`;
}

/** Progress on standard error: one line that is rewritten, or on no terminal a line every 30 seconds. */
class Progress {
  constructor(work) {
    this.total = work.reduce((sum, { cards }) => sum + cards.length, 0);
    this.done = 0;
    this.begin = this.shown = Date.now();
  }
  card(split, name) {
    ++this.done;
    const now = Date.now();
    if (now - this.shown < (process.stderr.isTTY ? 500 : 30_000) && this.done < this.total) return;
    this.shown = now;
    const left = (now - this.begin) / 1000 / this.done * (this.total - this.done);
    const line = `${this.done} of ${this.total} readings (${split}, ${name}), about ${clock(left)} left`;
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}${this.done === this.total ? '\n' : ''}` : `${line}\n`);
  }
}

/**
 * Has every card of every split read by every reader. They take turns, chunk by chunk, so that what slows the machine for a
 * while slows all of them. `splits`: [{name, digest, cards}]. Returns for each split {reader's name: {answers, chunks}}.
 */
export async function readAll(readers, splits) {
  const work = [];
  for (const split of splits) {
    const known = new Map(readers.map((reader) => [reader, reader.stored(split).answers]));
    for (let at = 0; at < split.cards.length; at += chunkCards) {
      for (const reader of readers) {
        const cards = split.cards.slice(at, at + chunkCards).filter(({ id }) => !known.get(reader).has(id));
        if (cards.length) work.push({ reader, split, cards });
      }
    }
  }
  const progress = new Progress(work);
  for (const { reader, split, cards } of work) {
    await reader.read(split, cards, () => progress.card(split.name, reader.name));
  }
  return splits.map((split) => Object.fromEntries(readers.map((reader) => [reader.name, reader.stored(split)])));
}

/** What to do where a folder has not the pictures of these splits; null where it has. */
export function missingData(folder, splits) {
  const absent = splits.filter((split) => !existsSync(path.join(folder, split, 'manifest.jsonl')));
  if (absent.length === 0) return null;
  return `${folder}: no ${absent.join('/manifest.jsonl, no ')}/manifest.jsonl

The pictures are drawn by a program and not kept in the repository. To draw them (training/cards/README.md says what that needs):
  training/cards/fonts.sh
${absent.map((split) => `  training/cards/make_eval.py --split ${split} --n 2048 --seed 20000 --out ${path.join(folder, split)}\n`).join('')}
or name the folder where they are: make cascade-report DATA=FOLDER
DATA=models/eval/trading-card, the small sets in the repository, shows that the report works, and no more.`;
}
