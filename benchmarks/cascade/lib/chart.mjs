// Accuracy against compute as one SVG: a panel for each split.

const panel = { width: 400, height: 350, left: 46, right: 14, top: 66, bottom: 46 };
const legendHeight = 30;
const style = `
  .chart { --ink: #1f2430; --soft: #667085; --grid: #e6e8ee; --page: #ffffff; --cascade: #2563eb; --mark: #c2410c; --other: #475467; }
  @media (prefers-color-scheme: dark) {
    .chart { --ink: #e8eaf0; --soft: #9aa3b5; --grid: #2b303c; --page: #14171f; --cascade: #7aa7ff; --mark: #ff9d66; --other: #b4bccb; }
  }
  .chart text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink); }
  .chart .title { font-weight: 600; font-size: 14px; }
  .chart .soft { fill: var(--soft); font-size: 11px; }
  .chart .chosen { fill: var(--mark); }
  .chart .label { paint-order: stroke; stroke: var(--page); stroke-width: 4px; stroke-linejoin: round; }
  .chart .page { fill: var(--page); }
  .chart .grid { stroke: var(--grid); }
  .chart .limit { stroke: var(--soft); stroke-dasharray: 4 4; }
  .chart .band { fill: var(--cascade); opacity: 0.16; }
  .chart .curve { fill: none; stroke: var(--cascade); stroke-width: 2; }
  .chart .point { fill: var(--other); stroke: var(--other); }
  .chart .mark { fill: var(--mark); stroke: var(--mark); }
  .chart .hollow { fill: var(--page); stroke-width: 2; }
`;

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }[c]));
const round = (value) => Math.round(value * 10) / 10;

/** Round numbers that cover a range, in steps that leave about `wanted` of them. */
function ticks(low, high, wanted) {
  const raw = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw);
  const first = Math.floor(low / step + 1e-9) * step;
  const all = [];
  for (let value = first; value < high + step * (1 - 1e-9); value += step) all.push(Number(value.toPrecision(12)));
  return all;
}

/** At most about `most` points of a line, the first and the last among them. */
function thinned(points, most) {
  const every = Math.max(1, Math.floor(points.length / most));
  return points.filter((_, i) => i % every === 0 || i === points.length - 1);
}

function drawPanel({ title, subtitle, rows, curve, chosen, limit }, at) {
  const { width, height, left, right, top, bottom } = panel;
  const percent = (value) => 100 * value;
  const every = [...rows.flatMap(({ interval95 }) => interval95), ...curve.map(({ accuracy }) => accuracy)].map(percent);
  const yTicks = ticks(Math.max(0, Math.min(...every)), Math.min(100, Math.max(...every)), 6);
  const xTicks = ticks(0, 100 * Math.max(...rows.map(({ compute }) => compute.cpu)) + 4, 6);
  const [yLow, yHigh] = [yTicks[0], Math.min(100, yTicks.at(-1))], xHigh = xTicks.at(-1);
  const x = (compute) => round(left + 100 * compute / xHigh * (width - left - right));
  const y = (accuracy) => round(height - bottom - (100 * accuracy - yLow) / (yHigh - yLow) * (height - top - bottom));
  const out = [`<g transform="translate(${at} 0)">`,
    `<text class="title" x="${left}" y="20">${escape(title)}</text><text class="soft" x="${left}" y="36">${escape(subtitle)}</text>`];
  for (const tick of yTicks.filter((each) => each <= yHigh)) {
    out.push(`<line class="grid" x1="${left}" x2="${width - right}" y1="${y(tick / 100)}" y2="${y(tick / 100)}"/>`,
      `<text class="soft" x="${left - 6}" y="${y(tick / 100) + 4}" text-anchor="end">${tick}</text>`);
  }
  for (const tick of xTicks) {
    out.push(`<text class="soft" x="${x(tick / 100)}" y="${height - bottom + 16}" text-anchor="middle">${tick}</text>`);
  }
  out.push(`<text class="soft" x="${(left + width - right) / 2}" y="${height - 10}" text-anchor="middle">processor time of a card, % of the accurate model’s</text>`);

  // What is asked of a cascade: at most half the compute, at most half a point less.
  const accurate = rows.find(({ strategy }) => strategy === 'accurate');
  out.push(`<line class="limit" x1="${x(limit.compute)}" x2="${x(limit.compute)}" y1="${top}" y2="${height - bottom}"/>`,
    `<line class="limit" x1="${left}" x2="${width - right}" y1="${y(accurate.accuracy - limit.points)}" y2="${y(accurate.accuracy - limit.points)}"/>`);

  const line = thinned(curve, 240);
  const upper = line.map(({ cost, interval95 }) => `${x(cost)} ${y(Math.min(interval95[1], yHigh / 100))}`);
  const lower = line.map(({ cost, interval95 }) => `${x(cost)} ${y(Math.max(interval95[0], yLow / 100))}`).reverse();
  out.push(`<path class="band" d="M${[...upper, ...lower].join('L')}Z"/>`,
    `<path class="curve" d="M${line.map(({ cost, accuracy }) => `${x(cost)} ${y(accuracy)}`).join('L')}"/>`);

  const hint = ({ strategy, accuracy, compute }) =>
    `<title>${escape(`${strategy}: ${(100 * accuracy).toFixed(1)} % at ${(100 * compute.cpu).toFixed(0)} % of the compute`)}</title>`;
  for (const row of rows) {
    const [px, py] = [x(row.compute.cpu), y(row.accuracy)];
    const [low, high] = row.interval95;
    out.push(`<line class="${row.threshold === undefined ? 'point' : 'mark'}" x1="${px}" x2="${px}" y1="${y(low)}" y2="${y(high)}"/>`,
      symbol(row, chosen, px, py, hint(row)));
  }
  const named = { fast: ['end', -9, 4], accurate: ['start', 8, 15] };
  for (const { strategy, compute, accuracy } of rows.filter(({ strategy: each }) => each in named)) {
    const [anchor, dx, dy] = named[strategy];
    out.push(`<text class="label" x="${x(compute.cpu) + dx}" y="${y(accuracy) + dy}" text-anchor="${anchor}">${strategy}</text>`);
  }
  const ships = rows.find(({ strategy }) => strategy === chosen);
  out.push(`<text class="chosen" x="${left}" y="${top - 12}">at ${ships.threshold.toFixed(3)}: ${(100 * ships.accuracy).toFixed(1)} %, `
    + `${(100 * ships.escalated).toFixed(1)} % escalated, ${(100 * ships.compute.cpu).toFixed(0)} % of the compute</text>`, '</g>');
  return out.join('\n');
}

/** How a strategy is drawn. */
function symbol({ strategy, threshold, weight }, chosen, px, py, inside = '') {
  if (threshold !== undefined) {
    return `<path class="mark ${strategy === chosen ? '' : 'hollow'}" d="M${px} ${py - 6}L${px + 6} ${py}L${px} ${py + 6}L${px - 6} ${py}Z">${inside}</path>`;
  }
  if (strategy.startsWith('ensemble')) {
    return `<rect class="point ${weight === 1 ? 'hollow' : ''}" x="${px - 4}" y="${py - 4}" width="8" height="8">${inside}</rect>`;
  }
  return `<circle class="point ${strategy === 'verify' ? 'hollow' : ''}" cx="${px}" cy="${py}" r="4.5">${inside}</circle>`;
}

/** One row that explains the symbols, and its width. */
function drawLegend({ rows, chosen }) {
  const texts = { cascade: 'cascade, as accurate on the cards that chose', verify: 'verify', ensemble: 'ensemble', 'ensemble, weighted': 'ensemble, weighted' };
  const out = [`<path class="curve" d="M${panel.left} 14h22"/>`, `<text x="${panel.left + 28}" y="18">cascade at every threshold</text>`];
  let at = panel.left + 28 + 180;
  for (const row of rows.filter(({ strategy }) => !['fast', 'accurate'].includes(strategy))) {
    const text = texts[row.strategy] ?? row.strategy;
    out.push(symbol(row, chosen, at, 14), `<text x="${at + 12}" y="18">${escape(text)}</text>`);
    at += 36 + 6.6 * text.length;
  }
  return { legend: out.join('\n'), width: at };
}

/**
 * The chart. `panels`: [{title, subtitle, rows, curve, chosen (name of the cascade's row that ships), limit: {compute, points}}],
 * as figures.mjs makes rows and curve.
 */
export function drawChart(panels) {
  const { legend, width: legendWidth } = drawLegend(panels[0]);
  const gap = 12, width = Math.ceil(Math.max(panels.length * (panel.width + gap) - gap, legendWidth)), height = panel.height + legendHeight;
  return `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Whole cards read right against compute, for each split">
<style>${style}</style>
<rect class="page" width="${width}" height="${height}"/>
${legend}
<g transform="translate(0 ${legendHeight})">
${panels.map((each, i) => drawPanel(each, i * (panel.width + gap))).join('\n')}
</g>
</svg>
`;
}
