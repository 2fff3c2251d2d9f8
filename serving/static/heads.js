// All heads as small pictures, and the habit of one in words.

import { el } from './dom.js';
import { percent } from './words.js';

/** A button for each head, a row for each layer. */
export function heads({ attention, tokens }, layer, head, choose) {
  return attention.map((hs, l) =>
    el(
      'div',
      { class: 'layer' },
      el('span', { class: 'hint' }, `layer ${l + 1}`),
      el(
        'div',
        { class: 'row' },
        ...hs.map((rows, h) =>
          el(
            'button',
            {
              type: 'button',
              class: 'head',
              'aria-pressed': String(l === layer && h === head),
              tabindex: l === layer && h === head ? '0' : '-1',
              'data-row': l,
              'data-column': h,
              onclick: () => choose(l, h),
            },
            small(rows, tokens.length),
            el('span', {}, `head ${h + 1}`),
            el('span', { class: 'hint' }, habit(rows).short),
          ),
        ),
      ),
    ),
  );
}

/** T x T pixels, which the style sheet enlarges. */
function small(rows, T) {
  const canvas = el('canvas', { width: T, height: T, 'aria-hidden': 'true' });
  const paint = canvas.getContext('2d');
  paint.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--heat');
  rows.forEach((row, t) =>
    row.forEach((w, s) => {
      paint.globalAlpha = Math.sqrt(w);
      paint.fillRect(s, t, 1, 1);
    }),
  );
  return canvas;
}

/** Where a head looks on average: at the token itself, at the one before, at the first. Rows from the third on,
    where these differ. */
export function habit(rows) {
  const seen = rows.slice(2);
  if (!seen.length) return { short: '', words: 'too little to say: the text is short' };
  const mean = pick => seen.reduce((sum, row) => sum + pick(row), 0) / seen.length;
  const [itself, before, first] = [mean(row => row.at(-1)), mean(row => row.at(-2)), mean(row => row[0])];
  const most = Math.max(itself, before, first);
  const short = most < 0.4 ? 'spread' : most === before ? 'one back' : most === itself ? 'itself' : 'first';
  return {
    short,
    words:
      `${percent(itself)} to the token itself, ${percent(before)} to the one before, ` +
      `${percent(first)} to the first`,
  };
}
