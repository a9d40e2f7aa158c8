// Quantiles and tables.

/** The q-th quantile (0 to 1) of numbers, by nearest rank; NaN of none. */
export function quantile(numbers, q) {
  if (numbers.length === 0) return NaN;
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))];
}

export const median = (numbers) => quantile(numbers, 0.5);

/** The slope of the least-squares line through points [x, y]; 0 of fewer than two. */
export function slope(points) {
  const n = points.length;
  if (n < 2) return 0;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const square = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return square === 0 ? 0 : points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / square;
}

/** A number for people: three significant digits, without an exponent. */
export function show(value) {
  if (typeof value !== 'number') return String(value);
  if (!Number.isFinite(value)) return '-';
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/** Prints rows as a Markdown table, columns padded. */
export function table(head, rows) {
  const cells = [head, ...rows.map((row) => row.map(show))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  console.log(line(head));
  console.log(`|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`);
  for (const row of cells.slice(1)) console.log(line(row));
}

/** The processor, for the line under a table. */
export async function machine() {
  const { cpus } = await import('node:os');
  return `${cpus()[0].model.trim()}, ${cpus().length} logical processors, Node.js ${process.version} as the client`;
}
