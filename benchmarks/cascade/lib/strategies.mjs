// What the router would answer, from what each model answered alone. Each function names the code it follows; `served.mjs`
// compares them with a server, card by card.

/** How sure an answer is of the whole: its least sure field; 0 where it knows nothing (routing::Answer::sureness). */
export function sureness(answer) {
  const known = Object.values(answer?.confidence ?? {}).filter((value) => typeof value === 'number');
  return answer?.ok && known.length ? Math.min(...known) : 0;
}

/** Whether every compared field is what the manifest says (evaluate::compare). */
export function isRight(answer, truth) {
  return Boolean(answer?.ok) && Object.entries(truth).every(([name, value]) => answer.fields[name] === value);
}

/** One model that stands in where the other has no answer, as a plan's fallback does. */
const orElse = (answer, other) => (answer?.ok ? answer : other);

/** Step::Kind::kIfSure, then kAnswer: the fast answer where it is sure enough, else the accurate one. */
export function cascade(fast, accurate, threshold) {
  const escalated = !fast?.ok || sureness(fast) < threshold;
  return { answer: escalated ? orElse(accurate, fast) : fast, escalated };
}

/** Step::Kind::kPreview, then kAnswer: the accurate answer stands. */
export const verify = (fast, accurate) => orElse(accurate, fast);

// tasks::normalisers() that the fields of trading-card use. Answers are what a byte-level model wrote, so white space and case
// are those of Unicode, as in src/tasks/normalise.cc.
const spaces = '[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const trim = (text) => text.replace(new RegExp(`^${spaces}+|${spaces}+$`, 'gu'), '');
const collapseSpaces = (text) => text.replace(new RegExp(`${spaces}+`, 'gu'), ' ');
const unifyDashes = (text) => text.replace(/[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]/gu, '-');
const unifyQuotes = (text) => text.replace(/[\u2018\u2019\u201a\u201b\u2032\u02bc\uff07\u0060\u00b4]/gu, '\'')
  .replace(/[\u201c\u201d\u201e\u201f\u2033\uff02]/gu, '"');

function collectorNumber(text) {
  const form = /^#?([A-Za-z]{0,8})(?:(?<=[A-Za-z])[- ])?(\d{1,6})([A-Za-z]{0,2}) *(?:\/ *([A-Za-z]{0,8})(\d{1,6}))?$/u;
  const found = form.exec(trim(unifyDashes(text)));
  if (!found) return trim(collapseSpaces(unifyDashes(text))).toUpperCase();
  const [, prefix, number, suffix, totalPrefix, total] = found;
  return `${prefix.toUpperCase()}${Number(number)}${suffix.toUpperCase()}`
    + (total === undefined ? '' : `/${totalPrefix.toUpperCase()}${Number(total)}`);
}

const asName = (text) => collapseSpaces(trim(unifyDashes(unifyQuotes(text)))).toLowerCase();
const asWord = (text) => collapseSpaces(trim(text)).toLowerCase();
const normalise = { name: asName, set_name: asName, rarity: asWord, stage: asWord, collector_number: collectorNumber };

/** routing::same_value for the fields of trading-card. */
export function sameValue(field, a, b) {
  if (typeof a !== 'string' || typeof b !== 'string') return a === b;
  const form = normalise[field] ?? ((text) => text);
  return form(a) === form(b);
}

/**
 * routing::vote: field by field, a vote weighs as much as its model times its confidence; ties go to the earlier one.
 * `ballots`: [{weight, answer}].
 */
export function vote(ballots) {
  const cast = ballots.filter(({ answer }) => answer?.ok);
  if (cast.length < 2) return cast[0]?.answer ?? ballots[0].answer;
  const fields = {}, confidence = {};
  const weights = cast.reduce((sum, { weight }) => sum + weight, 0);
  for (const field of new Set(cast.flatMap(({ answer }) => Object.keys(answer.fields)))) {
    const candidates = [];
    for (const { weight, answer } of cast) {
      if (!(field in answer.fields)) continue;
      const value = answer.fields[field];
      const sure = answer.confidence?.[field] ?? 0.5;
      let candidate = candidates.find((each) => sameValue(field, each.value, value));
      if (!candidate) candidates.push(candidate = { value, surest: sure, votes: 0 });
      candidate.votes += weight * sure;
      if (sure > candidate.surest) Object.assign(candidate, { surest: sure, value });
    }
    const winner = candidates.reduce((best, each) => (each.votes > best.votes ? each : best));
    fields[field] = winner.value;
    confidence[field] = weights > 0 ? winner.votes / weights : 0;
  }
  return { ok: true, fields, confidence };
}

/**
 * Every cascade over some cards that differs from the others, the cheapest first (sweep_over in src/routing/threshold.cc).
 * `examples`: [{sureness, fastRight, accurateRight}]; `relativeCost`: of a fast reading, in accurate ones.
 */
export function sweep(examples, relativeCost) {
  const sorted = [...examples].sort((a, b) => a.sureness - b.sureness);
  const n = sorted.length, points = [];
  let right = sorted.filter(({ fastRight }) => fastRight).length;
  for (let escalated = 0; escalated <= n; ++escalated) {
    const tied = escalated > 0 && escalated < n && sorted[escalated].sureness === sorted[escalated - 1].sureness;
    const possible = escalated < n || sorted[n - 1].sureness < 1;
    if (!tied && possible) {
      const below = escalated === 0 ? 0 : sorted[escalated - 1].sureness;
      const above = escalated === n ? 1 : sorted[escalated].sureness;
      let threshold = escalated === 0 ? 0 : below + (above - below) / 2;
      if (threshold <= below && escalated > 0) threshold = above;
      points.push({ threshold, escalated: escalated / n, accuracy: right / n, cost: relativeCost + escalated / n });
    }
    if (escalated < n) right += Number(sorted[escalated].accurateRight) - Number(sorted[escalated].fastRight);
  }
  return points;
}

/** The cheapest cascade that reaches an accuracy, or null (ThresholdChooser::for_accuracy). */
export const cheapest = (points, target) => points.find(({ accuracy }) => accuracy >= target) ?? null;

/** The most accurate cascade within a budget, the cheapest of those, or null (ThresholdChooser::for_budget). */
export function mostAccurate(points, budget) {
  if (points[0].cost > budget) return null;
  return points.reduce((best, each) => (each.cost <= budget && each.accuracy > best.accuracy ? each : best));
}
