// From stored answers to figures: what every strategy gets right on a split, and what it costs.
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { median, paired95, quantile, wilson95 } from './statistics.mjs';
import { cascade, cheapest, isRight, mostAccurate, sureness, sweep, verify, vote } from './strategies.mjs';

/** The halves of a split. A card's number, its file's name, decides: even ones choose a threshold, odd ones judge it. */
export const choosesThreshold = ({ id }) => Number(id) % 2 === 0;

/** Cards with both models' answers: [{id, image, truth, fast, accurate}]. */
export function joined(cards, fast, accurate) {
  return cards.map((card) => ({ ...card, fast: fast.answers.get(card.id), accurate: accurate.answers.get(card.id) }));
}

const examples = (cards) => cards.map(({ truth, fast, accurate }) => ({ sureness: sureness(fast),
  fastRight: isRight(fast, truth), accurateRight: isRight(accurate, truth) }));

/**
 * Multiplications and additions of one reading but for the answer's tokens: the vision tower over one frame, and the picture's
 * tokens through the text model (src/bench/work.cc). Null for a model that cuts pictures into tiles.
 */
export function multiplyAdds(folder) {
  const read = (name) => JSON.parse(readFileSync(path.join(folder, name), 'utf8'));
  const { vision_config: vision, text_config: text, scale_factor: scale } = read('config.json');
  if (read('preprocessor_config.json').do_image_splitting !== false) return null;
  const patches = Math.floor(vision.image_size / vision.patch_size) ** 2, width = vision.hidden_size;
  const layer = 4 * width ** 2 + 2 * width * vision.intermediate_size;
  const tower = patches * (3 * vision.patch_size ** 2 * width + vision.num_hidden_layers * layer + width * text.hidden_size)
    + vision.num_hidden_layers * 2 * patches ** 2 * width;
  const tokens = patches / scale ** 2, queries = text.num_attention_heads * text.head_dim;
  const block = text.hidden_size * (2 * queries + 2 * text.num_key_value_heads * text.head_dim)
    + 3 * text.hidden_size * text.intermediate_size;
  return tower + text.num_hidden_layers * (tokens * block + tokens * (tokens + 1) * queries);
}

/** What readings cost: seconds and operations of each model, and of the fast one as a share of the accurate one. */
export function costs(readings, folders) {
  const chunks = { fast: [], accurate: [] }, ratios = [];
  const wall = { fast: [], accurate: [] };
  for (const { fast, accurate } of readings) {
    for (const [role, { answers }] of Object.entries({ fast, accurate })) {
      for (const { total_ms: ms } of answers.values()) wall[role].push(ms);
    }
    for (const [from, chunk] of fast.chunks) {
      const other = accurate.chunks.get(from);
      if (other?.cards !== chunk.cards) continue;  // one of them was interrupted there
      chunks.fast.push(chunk.cpu_s / chunk.cards);
      chunks.accurate.push(other.cpu_s / other.cards);
      ratios.push(chunk.cpu_s / other.cpu_s);
    }
  }
  const operations = { fast: multiplyAdds(folders.fast), accurate: multiplyAdds(folders.accurate) };
  return {
    cpu_s: { fast: median(chunks.fast), accurate: median(chunks.accurate), ratio: median(ratios),
      quartiles: [quantile(ratios, 0.25), quantile(ratios, 0.75)], pairs: ratios.length },
    wall_ms: { fast: median(wall.fast), accurate: median(wall.accurate), ratio: median(wall.fast) / median(wall.accurate) },
    multiply_adds: operations.fast && operations.accurate
      ? { ...operations, ratio: operations.fast / operations.accurate } : null,
  };
}

/** The thresholds that some cards would choose: the cheapest cascade that is as accurate as the accurate model, and the most
 *  accurate one within the budget (null where the fast model alone costs more). */
export function choose(cards, relativeCost, { margin, budget }) {
  const known = examples(cards);
  const points = sweep(known, relativeCost);
  const target = known.filter(({ accurateRight }) => accurateRight).length / known.length - margin;
  return { target, accuracy: cheapest(points, target), budget: mostAccurate(points, budget) };
}

/** The weight of the fast model's votes, of tenths of the accurate one's, that gets most cards right; the least of those. */
export function chooseWeight(cards) {
  let best = { weight: 1, right: -1 };
  for (let tenths = 1; tenths <= 10; ++tenths) {
    const right = cards.filter((card) => isRight(elect(card, tenths / 10), card.truth)).length;
    if (right > best.right) best = { weight: tenths / 10, right };
  }
  return best.weight;
}

const elect = ({ fast, accurate }, weight) => vote([{ weight: 1, answer: accurate }, { weight, answer: fast }]);

function count(cards, answerOf) {
  return cards.map((card) => isRight(answerOf(card), card.truth));
}

/**
 * One strategy on some cards. `right`: of each card, as `reference` is of the accurate model's (the same array: it is that
 * model); `shares`: how often each model is asked, a card.
 */
function row(name, right, reference, shares, cost, more = {}) {
  const n = right.length, good = right.filter(Boolean).length;
  const percent = (measure) => (measure ? shares.fast * measure.ratio + shares.accurate : null);
  return { strategy: name, n, right: good, accuracy: good / n, interval95: wilson95(good, n),
    paired: right === reference ? null : paired95(right, reference), ...more,
    compute: { cpu: percent(cost.cpu_s), wall: percent(cost.wall_ms), multiply_adds: percent(cost.multiply_adds) } };
}

/** The cascade at one threshold on some cards. */
export function cascadeRow(name, cards, threshold, cost) {
  const reference = count(cards, ({ accurate }) => accurate);
  const taken = cards.map(({ fast, accurate }) => cascade(fast, accurate, threshold));
  const escalated = taken.filter((each) => each.escalated).length / cards.length;
  const right = taken.map(({ answer }, i) => isRight(answer, cards[i].truth));
  return row(name, right, reference, { fast: 1, accurate: escalated }, cost, { threshold, escalated });
}

/** Every strategy on the cards that judge. `cascades`: [name, threshold]. */
export function strategyRows(cards, cascades, weight, cost) {
  const reference = count(cards, ({ accurate }) => accurate);
  const both = { fast: 1, accurate: 1 };
  return [
    row('fast', count(cards, ({ fast }) => fast), reference, { fast: 1, accurate: 0 }, cost),
    row('accurate', reference, reference, { fast: 0, accurate: 1 }, cost),
    ...cascades.map(([name, threshold]) => cascadeRow(name, cards, threshold, cost)),
    row('verify', count(cards, ({ fast, accurate }) => verify(fast, accurate)), reference, both, cost),
    row('ensemble', count(cards, (card) => elect(card, 1)), reference, both, cost, { weight: 1 }),
    row('ensemble, weighted', count(cards, (card) => elect(card, weight)), reference, both, cost, { weight }),
  ];
}

/** Accuracy against compute at every threshold that makes a difference: [{threshold, escalated, accuracy, cost, interval95}]. */
export function curve(cards, cost) {
  return sweep(examples(cards), cost.cpu_s.ratio).map((point) =>
    ({ ...point, interval95: wilson95(Math.round(point.accuracy * cards.length), cards.length) }));
}

/** All cards of a split, each judged by the threshold that the other half chose: every card counts, none chose its own. */
export function crossed(cards, relativeCost, options, cost) {
  const halves = [cards.filter(choosesThreshold), cards.filter((card) => !choosesThreshold(card))];
  const reference = [], right = [], thresholds = [];
  let escalated = 0;
  for (const [from, on] of [[halves[0], halves[1]], [halves[1], halves[0]]]) {
    const chosen = choose(from, relativeCost, options).accuracy;
    if (!chosen) return null;
    thresholds.push(chosen.threshold);
    for (const { fast, accurate, truth } of on) {
      const taken = cascade(fast, accurate, chosen.threshold);
      escalated += taken.escalated ? 1 : 0;
      right.push(isRight(taken.answer, truth));
      reference.push(isRight(accurate, truth));
    }
  }
  return { thresholds, ...row('cascade, crossed', right, reference, { fast: 1, accurate: escalated / right.length }, cost,
    { escalated: escalated / right.length }) };
}
