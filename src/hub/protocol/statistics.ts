/** Coefficients of Lanczos' approximation, g = 7, n = 9; good to 15 digits. */
const lanczos = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
] as const;

/** ln Γ(x), x > 0. */
function logGamma(x: number): number {
  const z = x - 1;
  const sum = lanczos.reduce(
    (total, coefficient, index) => total + (index === 0 ? coefficient : coefficient / (z + index)),
    0,
  );
  const t = z + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}

const logChoose = (n: number, k: number): number => logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);

/** Of the continued fraction of the incomplete beta function: enough for arguments up to millions. */
const maxTerms = 10_000;

/** The regularised incomplete beta function I_x(a, b), by its continued fraction (Lentz). */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // Where the fraction converges fast; the rest by symmetry.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x)) / a;
  let c = 1;
  let d = 1 / (1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= maxTerms; m++) {
    for (const term of [
      (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)),
      (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)),
    ]) {
      d = 1 / (1 + term * d);
      c = 1 + term / c;
      fraction *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-12) break;
  }
  return front * fraction;
}

/** The probability of `bad` or more out of `total`, when each is bad with probability `rate`. */
export const binomialTail = (bad: number, total: number, rate: number): number =>
  bad <= 0 ? 1 : incompleteBeta(rate, bad, total - bad + 1);

export interface Share {
  readonly bad: number;
  readonly total: number;
}

/** Fisher's exact test, one-sided: the probability that so many or more of the bad ones fall among `ours` by chance. */
export function fisherTail(ours: Share, theirs: Share): number {
  const bad = ours.bad + theirs.bad;
  const total = ours.total + theirs.total;
  const all = logChoose(total, bad);
  let tail = 0;
  for (let k = ours.bad; k <= Math.min(bad, ours.total); k++) {
    if (bad - k > theirs.total) continue;
    tail += Math.exp(logChoose(ours.total, k) + logChoose(theirs.total, bad - k) - all);
  }
  return Math.min(1, tail);
}

export interface Sample {
  readonly count: number;
  readonly mean: number;
  readonly variance: number;
}

/** Welch's t-test, one-sided: the probability of such a difference by chance, if the mean of `ours` is at most `margin` above that of `theirs`. */
export function welchTail(ours: Sample, theirs: Sample, margin: number): number {
  const a = ours.variance / ours.count;
  const b = theirs.variance / theirs.count;
  const difference = ours.mean - theirs.mean - margin;
  if (a + b === 0) return difference > 0 ? 0 : 1;
  const t = difference / Math.sqrt(a + b);
  const freedom = (a + b) ** 2 / (a ** 2 / (ours.count - 1) + b ** 2 / (theirs.count - 1));
  const half = incompleteBeta(freedom / (freedom + t ** 2), freedom / 2, 0.5) / 2;
  return t > 0 ? half : 1 - half;
}
