// The report as Markdown and as one HTML page.

const percent = (value, digits = 1) => (value === null || value === undefined ? '-' : (100 * value).toFixed(digits));
const signed = (value) => `${value < 0 ? '−' : '+'}${Math.abs(100 * value).toFixed(2)}`;
const interval = ([low, high], show = percent) => `${show(low)} to ${show(high)}`;

function markdownTable(head, rows) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => [...row[column]].length)));
  const line = (row) => `| ${row.map((cell, column) => cell + ' '.repeat(widths[column] - [...cell].length)).join(' | ')} |`;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}

/** What stands in a table of strategies. */
export function strategyTable(rows) {
  return [
    ['strategy', 'whole cards, %', '95 %', 'less accurate, points', '95 %, paired', 'escalated, %', 'compute, %', 'by the clock, %', 'multiply-adds, %'],
    rows.map((row) => [row.strategy + (row.threshold === undefined ? '' : ` at ${row.threshold.toFixed(4)}`)
      + (row.weight === undefined || row.weight === 1 ? '' : ` ${row.weight}`),
    percent(row.accuracy), interval(row.interval95), row.paired ? signed(row.paired.difference) : '',
    row.paired ? interval(row.paired.interval95, signed) : '', row.escalated === undefined ? '' : percent(row.escalated),
    percent(row.compute.cpu, 0), percent(row.compute.wall, 0), percent(row.compute.multiply_adds, 0)]),
  ];
}

/** A dozen points of a curve, at these shares of escalated cards. */
function curveTable(curve, fast, accurate) {
  const shares = [0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1];
  const points = shares.map((share) => curve.reduce((best, each) =>
    (Math.abs(each.escalated - share) < Math.abs(best.escalated - share) ? each : best)));
  const rows = points.filter((each, i) => i === 0 || each !== points[i - 1]).map((each) => [percent(each.escalated),
    each.threshold.toFixed(4), percent(each.accuracy), interval(each.interval95), percent(each.cost, 0)]);
  return [[`escalated from ${fast} to ${accurate}, %`, 'below', 'whole cards, %', '95 %', 'compute, %'], rows];
}

/** The paragraph that says whether the claim holds, plainly. */
export function verdict({ rows, claim, split }) {
  return rows.filter(({ threshold }) => threshold !== undefined).map((row) => {
    const [low] = row.paired.interval95;
    const near = low >= -claim.points, cheap = row.compute.cpu <= claim.compute;
    const holds = near && cheap;
    return `${holds ? 'Holds' : 'Does not hold'} on ${split} for “${row.strategy}”: ${signed(row.paired.difference)} points against the accurate `
      + `model (95 % paired ${interval(row.paired.interval95, signed)}; ${near ? 'within' : 'not within'} ${100 * claim.points}) at `
      + `${percent(row.compute.cpu, 0)} % of its compute (${cheap ? 'at most' : 'more than'} ${100 * claim.compute}).`;
  });
}

/** Markdown of a whole report; figures as report.mjs gathers them. `chart`: the file's name. */
export function toMarkdown(report, chart) {
  const { models, cost, splits, choice, confirmed } = report;
  const out = [`# Cascade of ${models.fast.name} and ${models.accurate.name}: accuracy against compute`, '',
    `${report.machine}; ${report.date}. ${models.fast.name} is version ${models.fast.version}, ${models.accurate.name} ${models.accurate.version}.`, '',
    'A whole card is right where every field is. “less accurate” is the difference from the accurate model on the same cards, with '
    + 'Newcombe’s interval for paired shares. Compute is processor time as a share of the accurate model’s: '
    + `${cost.cpu_s.fast.toFixed(3)} s a card for ${models.fast.name}, ${cost.cpu_s.accurate.toFixed(3)} s for ${models.accurate.name}, `
    + `ratio ${cost.cpu_s.ratio.toFixed(3)} (quartiles ${cost.cpu_s.quartiles.map((each) => each.toFixed(3)).join(' to ')} of ${cost.cpu_s.pairs} `
    + `pairs of runs over the same cards); by the clock ${cost.wall_ms.fast.toFixed(0)} and ${cost.wall_ms.accurate.toFixed(0)} ms (medians)`
    + `${cost.multiply_adds ? `; ${(cost.multiply_adds.fast / 1e9).toFixed(2)} and ${(cost.multiply_adds.accurate / 1e9).toFixed(2)} × 10⁹ multiply-adds, the answer’s tokens not counted` : ''}.`, '',
    `The thresholds were chosen on the ${choice.cards} cards of the ${choice.split} split with an even number, and on no other card: `
    + `“cascade” is the cheapest that reaches ${percent(choice.target, 2)} % there, the accurate model’s own accuracy${choice.margin ? ` less ${100 * choice.margin} points` : ''}; `
    + (choice.budget === null ? `within ${100 * report.claim.compute} % of the compute there is none, because ${models.fast.name} alone costs more. `
      : `“cascade within ${100 * report.claim.compute} %” the most accurate that costs no more than that. `)
    + `The weight of ${models.fast.name} in “ensemble, weighted” was chosen there too. ${choice.split} is judged on its odd cards, the other splits on all.`, ''];
  out.push(`![Whole cards read right against compute](${chart})`, '', ...report.verdict.flatMap((line) => [`**${line}**`, '']));
  for (const split of splits) {
    out.push(`## ${split.name}: ${split.judged} cards judged of ${split.cards} read`, '', markdownTable(...strategyTable(split.rows)), '');
    if (split.crossed) {
      out.push(`Both halves, each judged by the threshold that the other chose (${split.crossed.thresholds.map((each) => each.toFixed(4)).join(', ')}): `
        + `${percent(split.crossed.accuracy)} % of ${split.crossed.n}, ${signed(split.crossed.paired.difference)} points `
        + `(${interval(split.crossed.paired.interval95, signed)}), ${percent(split.crossed.escalated)} % escalated, ${percent(split.crossed.compute.cpu, 0)} % of the compute.`, '');
    }
    out.push(markdownTable(...curveTable(split.curve, models.fast.name, models.accurate.name)), '');
  }
  if (confirmed) {
    const { evaluate, served } = confirmed;
    out.push('## Confirmed by the program', '',
      `\`fovea evaluate --model cascade\` with the stored threshold, on ${evaluate.cards} judged cards of ${choice.split}: strategy `
      + `${evaluate.strategy}, ${evaluate.evaluated} right and ${evaluate.escalated.evaluated} escalated; computed ${evaluate.computed} and `
      + `${evaluate.escalated.computed}: ${evaluate.same ? 'the same' : '**not the same**'}.`, '',
      `A server with each strategy, field by field: ${served.map(({ strategy, cards, different }) =>
        `${strategy} ${cards - different.length} of ${cards} the same${different.length ? ` (not: ${different.join(', ')})` : ''}`).join('; ')}.`, '');
  }
  return `${out.join('\n')}\n`;
}

const escape = (text) => text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' }[c]));

/** One page that needs nothing else: the chart and the tables. */
export function toHtml(report, chart) {
  const table = ([head, rows]) => `<div class="wide"><table><thead><tr>${head.map((cell) => `<th>${escape(cell)}</th>`).join('')}</tr></thead><tbody>${
    rows.map((row) => `<tr>${row.map((cell) => `<td>${escape(cell)}</td>`).join('')}</tr>`).join('')}</tbody></table></div>`;
  const { models, cost } = report;
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${models.fast.name} and ${models.accurate.name}: accuracy against compute</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; margin: 2rem auto; max-width: 1240px; padding: 0 1rem; color: #1f2430; background: #fff; }
  h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
  .wide { overflow-x: auto; } svg { max-width: 100%; height: auto; }
  table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
  th { font-weight: 600; text-align: left; vertical-align: bottom; } th, td { padding: 0.25rem 1rem 0.25rem 0; border-bottom: 1px solid #e6e8ee; white-space: nowrap; }
  .soft { color: #667085; }
  @media (prefers-color-scheme: dark) { body { color: #e8eaf0; background: #14171f; } th, td { border-color: #2b303c; } .soft { color: #9aa3b5; } }
</style>
<h1>${models.fast.name} and ${models.accurate.name}: accuracy against compute</h1>
<p class="soft">${escape(report.machine)}; ${report.date}. Whole cards read right, in per cent; bars and the band are 95 % intervals. The dashed lines are what is
asked of a cascade: ${100 * report.claim.compute} % of the accurate model’s compute, ${100 * report.claim.points} points below it. The blue line is the cascade at every threshold, the diamond the one
that was chosen on ${report.choice.cards} other cards.</p>
<div class="wide">${chart}</div>
${report.verdict.map((line) => `<p>${escape(line)}</p>`).join('\n')}
${report.splits.map((split) => `<h2>${split.name}: ${split.judged} cards judged of ${split.cards} read</h2>\n${table(strategyTable(split.rows))}`).join('\n')}
<p class="soft">Compute is processor time: ${cost.cpu_s.fast.toFixed(3)} s a card for ${models.fast.name}, ${cost.cpu_s.accurate.toFixed(3)} s for ${models.accurate.name}.</p>
</html>
`;
}
