// Intervals for shares, as src/base/statistics.cc and src/evaluate/paired.cc have them.

const z = 1.959963984540054;

/** Wilson's 95 % score interval for `right` of `n`. */
export function wilson95(right, n) {
  if (n === 0) return [0, 1];
  const share = right / n, square = z * z;
  const middle = (share + square / (2 * n)) / (1 + square / n);
  const half = z / (1 + square / n) * Math.sqrt(share * (1 - share) / n + square / (4 * n * n));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/**
 * How much more often `a` is right than `b` on the same cards (arrays of booleans), with Newcombe's 95 % score interval for
 * paired proportions (1998, method 10).
 */
export function paired95(a, b) {
  const n = a.length;
  let both = 0, onlyA = 0, onlyB = 0;
  for (let i = 0; i < n; ++i) {
    if (a[i] && b[i]) ++both;
    else if (a[i]) ++onlyA;
    else if (b[i]) ++onlyB;
  }
  const neither = n - both - onlyA - onlyB;
  const difference = n === 0 ? 0 : (onlyA - onlyB) / n;
  if (n === 0) return { difference, interval95: [-1, 1], onlyA, onlyB };
  const product = (both + onlyA) * (onlyB + neither) * (both + onlyB) * (onlyA + neither);
  let phi = 0;
  if (product > 0) {
    let covariance = both * neither - onlyA * onlyB;
    if (covariance > 0) covariance = Math.max(0, covariance - n / 2);
    phi = covariance / Math.sqrt(product);
  }
  const combined = (first, second) => Math.sqrt(Math.max(0, first * first - 2 * phi * first * second + second * second));
  const shareA = (both + onlyA) / n, shareB = (both + onlyB) / n;
  const [lowA, highA] = wilson95(both + onlyA, n), [lowB, highB] = wilson95(both + onlyB, n);
  return { difference, onlyA, onlyB,
    interval95: [difference - combined(shareA - lowA, highB - shareB), difference + combined(highA - shareA, shareB - lowB)] };
}

/** The q-th quantile by nearest rank; NaN of none. */
export function quantile(numbers, q) {
  if (numbers.length === 0) return NaN;
  const sorted = Float64Array.from(numbers).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))];
}
export const median = (numbers) => quantile(numbers, 0.5);
