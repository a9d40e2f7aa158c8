// node --test benchmarks/cascade/tests/
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { paired95, wilson95 } from '../lib/statistics.mjs';
import { cascade, cheapest, isRight, mostAccurate, sameValue, sureness, sweep, verify, vote } from '../lib/strategies.mjs';

const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const said = (name, sure, more = {}) => ({ ok: true, fields: { name, hp: 30 }, confidence: { name: sure, hp: 0.99 }, ...more });
const silent = { ok: false, error: { type: 'internal' } };

test('an answer is as sure as its least sure field, and one without confidences is not sure', () => {
  assert.equal(sureness(said('a', 0.4)), 0.4);
  assert.equal(sureness(said('a', 0.4, { confidence: null })), 0);
  assert.equal(sureness(silent), 0);
});

test('a card is right where every compared field is', () => {
  assert.ok(isRight(said('a', 1), { name: 'a', hp: 30 }));
  assert.ok(isRight(said('a', 1), { name: 'a' }));
  assert.ok(!isRight(said('a', 1), { name: 'a', hp: 40 }));
  assert.ok(!isRight(said('a', 1), { name: 'a', hp: null }));
  assert.ok(!isRight(silent, { name: 'a' }));
});

test('a cascade goes on below its threshold only, and an answer is better than none', () => {
  const [fast, accurate] = [said('f', 0.8), said('a', 0.9)];
  assert.deepEqual(cascade(fast, accurate, 0.8), { answer: fast, escalated: false });
  assert.deepEqual(cascade(fast, accurate, 0.81), { answer: accurate, escalated: true });
  assert.equal(cascade(fast, silent, 0.81).answer, fast);
  assert.equal(cascade(silent, accurate, 0).answer, accurate);
  assert.equal(verify(fast, accurate), accurate);
  assert.equal(verify(fast, silent), fast);
});

test('votes weigh as models and confidences do, and ties go to the earlier', () => {
  const elected = (...ballots) => vote(ballots.map(([answer, weight = 1]) => ({ weight, answer }))).fields.name;
  assert.equal(elected([said('a', 0.5)], [said('b', 0.6)]), 'b');
  assert.equal(elected([said('a', 0.5)], [said('b', 0.6), 0.5]), 'a');
  assert.equal(elected([said('a', 0.5)], [said('b', 0.5)]), 'a');
  assert.equal(elected([said('a', 0.3)], [said('b', 0.5)], [said('a', 0.3)]), 'a');
  assert.equal(elected([silent], [said('b', 0.1)]), 'b');
  const spelt = vote([{ weight: 1, answer: said('Mew  two', 0.5) }, { weight: 1, answer: said('mew two', 0.6) }]);
  assert.equal(spelt.fields.name, 'mew two');
  assert.ok(Math.abs(spelt.confidence.name - 0.55) < 1e-12);
});

test('values are compared as the task normalises them', () => {
  for (const [field, a, b] of [['collector_number', '004/102', '4/102'], ['collector_number', 'swsh-001', 'SWSH1'],
    ['collector_number', 'TG12/TG30', 'tg12 / tg30'], ['collector_number', '#63a', '63A'], ['collector_number', 'no–number', 'NO-NUMBER'],
    ['name', 'Krik’s  Eye', 'krik\'s eye'], ['rarity', 'Rare ', 'rare'], ['hp', null, null]]) {
    assert.ok(sameValue(field, a, b), `${field}: ${a} and ${b}`);
  }
  for (const [field, a, b] of [['collector_number', '4/102', '4/103'], ['collector_number', 'A4', '4A'], ['hp', 30, null], ['hp', 30, '30'],
    ['rarity', 'Rare', null]]) {
    assert.ok(!sameValue(field, a, b), `${field}: ${a} and ${b}`);
  }
});

test('every point of a sweep is what counting gives, ties and all', () => {
  let state = 7;
  const draw = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const examples = Array.from({ length: 200 }, (_, i) => ({ sureness: i < 60 ? 0.5 : draw(), fastRight: draw() < 0.7, accurateRight: draw() < 0.9 }));
  const points = sweep(examples, 0.4);
  assert.equal(points.length, 200 - 59 + 1);
  for (const { threshold, escalated, accuracy, cost } of points) {
    const up = examples.filter((each) => each.sureness < threshold);
    const right = up.filter(({ accurateRight }) => accurateRight).length
      + examples.filter((each) => each.sureness >= threshold && each.fastRight).length;
    assert.equal(escalated, up.length / 200);
    assert.equal(accuracy, right / 200);
    assert.equal(cost, 0.4 + up.length / 200);
  }
  const target = cheapest(points, 0.85);
  assert.ok(points.every(({ accuracy, cost }) => accuracy < 0.85 || cost >= target.cost));
  const within = mostAccurate(points, 0.6);
  assert.ok(within.cost <= 0.6 && points.every(({ accuracy, cost }) => cost > 0.6 || accuracy <= within.accuracy));
  assert.equal(mostAccurate(points, 0.3), null);
  assert.equal(cheapest(points, 1.1), null);
});

test('intervals are those of tests/evaluate/paired_test.cc', () => {
  const pair = (both, onlyA, onlyB, neither) => paired95(
    [...Array(both + onlyA).fill(true), ...Array(onlyB + neither).fill(false)],
    [...Array(both).fill(true), ...Array(onlyA).fill(false), ...Array(onlyB).fill(true), ...Array(neither).fill(false)]).interval95;
  for (const [counts, low, high] of [[[20, 12, 2, 16], 0.0562, 0.3292], [[36, 12, 2, 0], 0.0569, 0.3404], [[53, 0, 0, 1], -0.0729, 0.0729],
    [[53, 1, 0, 0], -0.0496, 0.0977], [[0, 30, 0, 0], 0.8395, 1.0], [[1800, 100, 40, 108], 0.0181, 0.0409]]) {
    const interval = pair(...counts);
    assert.ok(Math.abs(interval[0] - low) < 5e-5 && Math.abs(interval[1] - high) < 5e-5, `${counts}: ${interval}`);
  }
  assert.deepEqual(wilson95(0, 0), [0, 1]);
});

/** A data folder of made-up cards and two folders that pass for models. */
function made(cards) {
  const folder = mkdtempSync(path.join(tmpdir(), 'fovea-cascade-'));
  for (const split of ['clean', 'camera']) {
    mkdirSync(path.join(folder, 'data', split), { recursive: true });
    writeFileSync(path.join(folder, 'data', split, 'manifest.jsonl'), Array.from({ length: cards }, (_, i) =>
      `${JSON.stringify({ image: `${String(i).padStart(4, '0')}.webp`, truth: { name: `card ${i}`, hp: i } })}\n`).join(''));
  }
  for (const model of ['reader-s', 'reader-m']) {
    mkdirSync(path.join(folder, model));
    writeFileSync(path.join(folder, model, 'config.json'), JSON.stringify({ scale_factor: 2, vision_config: { image_size: 96, patch_size: 24,
      hidden_size: 8, intermediate_size: 16, num_hidden_layers: 2 }, text_config: { hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1,
      num_attention_heads: 2, num_key_value_heads: 1, head_dim: 4 } }));
    writeFileSync(path.join(folder, model, 'preprocessor_config.json'), '{"do_image_splitting": false}');
  }
  const run = (...more) => spawnSync(process.execPath, [path.join(here, '../report.mjs'), '--data', path.join(folder, 'data'), '--out',
    path.join(folder, 'out'), '--fast', path.join(folder, 'reader-s'), '--accurate', path.join(folder, 'reader-m'), '--confirm', '0', ...more],
  { encoding: 'utf8', env: { ...process.env, FOVEA_PROGRAM: path.join(here, 'stand_in.mjs') } });
  const read = (name) => readFileSync(path.join(folder, 'out', name), 'utf8');
  return { folder, run, read, end: () => rmSync(folder, { recursive: true }) };
}

test('a report chooses on even cards, judges the others, and goes on where it stopped', () => {
  const { folder, run, read, end } = made(200);
  try {
    assert.equal(run('--limit', '70').status, 0);
    const answers = path.join(folder, 'out/answers');
    const file = path.join(answers, readdirSync(answers).find((name) => /^clean-.*reader-s/.test(name)));
    const before = readFileSync(file, 'utf8');
    appendFileSync(file, '{"id":"0150","ok":tr');  // it was killed while it wrote
    const whole = run();
    assert.equal(whole.status, 0, whole.stderr);
    assert.ok(readFileSync(file, 'utf8').startsWith(before), 'what was read is kept');
    const report = JSON.parse(read('report.json'));
    const [clean, camera] = report.splits;
    assert.deepEqual([report.choice.cards, clean.judged, camera.judged, clean.crossed.n], [100, 100, 200, 200]);
    assert.equal(new Set(readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line).id).filter(Boolean)).size, 200);

    // The chosen threshold, counted anew from what is stored.
    const stored = JSON.parse(read('cascade.json'))['trading-card'];
    assert.equal(stored.threshold, report.choice.accuracy.threshold);
    assert.deepEqual([stored.task_digest, stored.fast_version, stored.accurate, stored.accurate_version],
      ['digest-of-the-task', 'version-reader-s', 'reader-m', 'version-reader-m']);
    const cascadeRow = clean.rows.find(({ strategy }) => strategy === 'cascade');
    const [fast, accurate] = ['s', 'm'].map((size) => new Map(readFileSync(path.join(answers,
      readdirSync(answers).find((name) => name.startsWith('clean-') && name.includes(`reader-${size}`))), 'utf8').trim().split('\n')
      .map((line) => JSON.parse(line)).filter(({ id }) => id).map((answer) => [answer.id, answer])));
    const right = [...fast.keys()].filter((id) => Number(id) % 2 === 1).filter((id) => {
      const given = fast.get(id).confidence.name < stored.threshold ? accurate.get(id) : fast.get(id);
      return given.fields.name === `card ${Number(id)}`;
    });
    assert.equal(cascadeRow.right, right.length);
    assert.ok(cascadeRow.compute.cpu > report.cost.cpu_s.ratio);
    for (const name of ['report.md', 'report.html', 'chart.svg']) assert.doesNotMatch(read(name), /NaN|undefined|null/, name);
  } finally {
    end();
  }
});

test('a threshold is shipped only where that is asked for', () => {
  const { folder, run, end } = made(60);
  try {
    assert.equal(run().status, 0);
    assert.ok(!readdirSync(path.join(folder, 'reader-s')).includes('cascade.json'));
    assert.equal(run('--ship').status, 0);
    assert.ok(readdirSync(path.join(folder, 'reader-s')).includes('cascade.json'));
  } finally {
    end();
  }
});

test('without pictures it says what to do', () => {
  const { folder, run, end } = made(1);
  try {
    rmSync(path.join(folder, 'data/camera'), { recursive: true });
    const { status, stderr } = run();
    assert.equal(status, 2);
    assert.match(stderr, /make_eval\.py --split camera --n 2048 --seed 20000/);
  } finally {
    end();
  }
});
