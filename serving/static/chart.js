// The loss of a run as a chart, drawn at its natural size so that its words stay readable on a phone.

import { svg } from './dom.js';
import { count } from './words.js';

const HEIGHT = 340;
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 96, 14, 40];
const POINTS = 700;
const SHARE = 0.05;

/** The mean of the last 1 / SHARE values or so, exponential,
    divided by its weight so that no early one counts twice. */
export function smoothed(values) {
  let sum = 0,
    weight = 0;
  return values.map(value => {
    if (value != null) {
      sum += SHARE * (value - sum);
      weight += SHARE * (1 - weight);
    }
    return weight ? sum / weight : null;
  });
}

/** Steps with their losses and means, validations, and the step that is looked at;
    uniform is the loss of knowing nothing. */
export function chart({ steps, means, validations, last, at, uniform, width }) {
  const losses = [...means, ...validations.map(row => row.val_loss), ...middle(steps.map(row => row.loss))].filter(
    Number.isFinite,
  );
  if (uniform) losses.push(uniform);
  const ticks = round(
    losses.reduce((a, b) => Math.min(a, b), Infinity),
    losses.reduce((a, b) => Math.max(a, b), -Infinity),
    5,
  );
  const [low, high] = [ticks[0], ticks.at(-1)];
  const right = width - RIGHT;
  const x = step => LEFT + ((right - LEFT) * step) / Math.max(1, last);
  const y = loss => TOP + ((HEIGHT - TOP - BOTTOM) * (high - Math.min(high, Math.max(low, loss)))) / (high - low || 1);
  const path = points =>
    points
      .filter(([, v]) => Number.isFinite(v))
      .map(([step, v], i) => `${i ? 'L' : 'M'}${x(step).toFixed(1)} ${y(v).toFixed(1)}`)
      .join('');
  const thin = list => list.filter((_, i) => i % Math.ceil(list.length / POINTS) === 0 || i === list.length - 1);
  const every = round(0, Math.max(1, last), width < 500 ? 3 : 6).filter(step => step <= last);
  const ends = labels(means, validations, y);
  return svg(
    'svg',
    {
      class: 'chart',
      width,
      height: HEIGHT,
      viewBox: `0 0 ${width} ${HEIGHT}`,
      role: 'img',
      'aria-label': `Loss over ${count(last)} steps`,
    },
    ...ticks.flatMap(v => [
      svg('line', { class: 'grid', x1: LEFT, x2: right, y1: y(v), y2: y(v) }),
      svg(
        'text',
        { class: 'tick', x: LEFT - 8, y: y(v) + 4, 'text-anchor': 'end' },
        v.toFixed(ticks[1] - ticks[0] < 0.1 ? 2 : 1),
      ),
    ]),
    ...every.map(step =>
      svg('text', { class: 'tick', x: x(step), y: HEIGHT - 20, 'text-anchor': 'middle' }, count(step)),
    ),
    svg('text', { class: 'tick', x: right, y: HEIGHT - 4, 'text-anchor': 'end' }, 'step'),
    uniform && svg('line', { class: 'uniform', x1: LEFT, x2: right, y1: y(uniform), y2: y(uniform) }),
    uniform && svg('text', { class: 'tick', x: right + 8, y: y(uniform) + 4 }, 'knows nothing'),
    svg('path', { class: 'batch', d: path(thin(steps.map(row => [row.step, row.loss]))) }),
    svg('path', { class: 'model', d: path(thin(steps.map((row, i) => [row.step, means[i]]))) }),
    svg('path', { class: 'validation', d: path(validations.map(row => [row.step, row.val_loss])) }),
    ...(validations.length <= 80 ? validations : []).map(
      row =>
        Number.isFinite(row.val_loss) &&
        svg('circle', { class: 'validation dot', cx: x(row.step), cy: y(row.val_loss), r: 3.5 }),
    ),
    ...ends.map(({ kind, words, spot }) => svg('text', { class: `end ${kind}`, x: right + 8, y: spot + 4 }, words)),
    at !== null && svg('line', { class: 'cursor', x1: x(at), x2: x(at), y1: TOP, y2: HEIGHT - BOTTOM }),
  );
}

/** The bounds of all but the outermost fiftieths: a batch that stands out is cut at the edge,
    and does not flatten the rest. */
function middle(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  return sorted.length ? [0.02, 0.98].map(share => sorted[Math.round(share * (sorted.length - 1))]) : [];
}

/** The names of the lines at their right ends, 15 px apart at least. */
function labels(means, validations, y) {
  const found = [
    ['model', 'training', means.at(-1)],
    ['validation', 'validation', validations.at(-1)?.val_loss],
  ]
    .filter(([, , v]) => Number.isFinite(v))
    .map(([kind, words, v]) => ({ kind, words, spot: y(v) }))
    .sort((a, b) => a.spot - b.spot);
  if (found.length === 2 && found[1].spot - found[0].spot < 15) {
    const middle = (found[0].spot + found[1].spot) / 2;
    [found[0].spot, found[1].spot] = [middle - 7.5, middle + 7.5];
  }
  return found;
}

/** Round numbers, 1, 2 or 5 times a power of ten apart, that hold low and high between them. */
function round(low, high, n) {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  const rough = Math.max(high - low, 1e-6) / n;
  const power = 10 ** Math.floor(Math.log10(rough));
  const gap = [1, 2, 5, 10].find(k => k * power >= rough) * power;
  const first = Math.floor(low / gap);
  return Array.from({ length: Math.ceil(high / gap) - first + 1 }, (_, k) => (first + k) * gap);
}
