// What the layers make of the text: their best guesses, and how large the residual stream is.

import { el, svg } from './dom.js';
import { called, isSpecial, percent } from './words.js';

const depth = (l, L) => (l === 0 ? 'embedding' : l === L ? `layer ${l}, the answer` : `layer ${l}`);

/** The best guess after each layer for each token, a guess that came true marked. */
export function lens({ tokens, lens: guesses, n_layer: L }, at) {
  const cell = (guess, came) =>
    el('td', { class: came && came.id === guess.id ? 'true' : null, style: { '--w': guess.p } }, pair(guess));
  return el(
    'table',
    { class: 'lens' },
    el(
      'thead',
      {},
      el(
        'tr',
        {},
        el('th', { scope: 'col' }, 'after'),
        ...guesses.map((_, l) => el('th', { scope: 'col' }, depth(l, L))),
        el('th', { scope: 'col' }, 'what came'),
      ),
    ),
    el(
      'tbody',
      {},
      ...tokens.map((token, t) =>
        el(
          'tr',
          { class: t === at ? 'at' : null },
          el('th', { scope: 'row' }, called(token)),
          ...guesses.map(layer => cell(layer[t][0], tokens[t + 1])),
          el('td', { class: 'came' }, tokens[t + 1] ? pair(tokens[t + 1]) : '…'),
        ),
      ),
    ),
  );
}

/** A token and its share, at the two ends of a cell. */
function pair(token) {
  return el(
    'span',
    { class: 'pair' },
    el('span', { class: isSpecial(token) ? 'special' : 'guess' }, called(token)),
    el('span', { class: 'share' }, percent(token.p)),
  );
}

/** Root mean square of each token's residual stream, from the embedding to the last layer; the chosen token's
    with figures. */
export function norms({ residual_norms: rows, tokens }, at) {
  const [W, H, LEFT, RIGHT, TOP, BOTTOM] = [360, 230, 34, 16, 22, 28];
  const L = rows.length - 1;
  const top = Math.max(...rows.flat(), 1e-9);
  const x = l => LEFT + ((W - LEFT - RIGHT) * l) / Math.max(1, L);
  const y = v => TOP + (H - TOP - BOTTOM) * (1 - v / top);
  const line = t => `M${rows.map((row, l) => `${x(l).toFixed(1)} ${y(row[t]).toFixed(1)}`).join('L')}`;
  const every = Math.ceil((L + 1) / 8);
  return svg(
    'svg',
    {
      class: 'chart norms',
      viewBox: `0 0 ${W} ${H}`,
      role: 'img',
      'aria-label': `Size of the residual stream over ${L} layers`,
    },
    ...[0, top / 2, top].flatMap(v => [
      svg('line', { class: 'grid', x1: LEFT, x2: W - RIGHT, y1: y(v), y2: y(v) }),
      svg('text', { class: 'tick', x: LEFT - 6, y: y(v) + 4, 'text-anchor': 'end' }, v.toFixed(1)),
    ]),
    ...rows.map((_, l) =>
      l % every
        ? null
        : svg(
            'text',
            { class: 'tick', x: x(l), y: H - 8, 'text-anchor': l === 0 ? 'start' : l === L ? 'end' : 'middle' },
            l ? `layer ${l}` : 'embedding',
          ),
    ),
    ...tokens.map((_, t) => (t === at ? null : svg('path', { class: 'faint', d: line(t) }))),
    svg('path', { class: 'model', d: line(at) }),
    ...rows.flatMap((row, l) => [
      svg('circle', { class: 'model dot', cx: x(l), cy: y(row[at]), r: 3 }),
      L <= 8 &&
        svg(
          'text',
          {
            class: 'value',
            x: x(l) + (l ? 0 : 6),
            y: y(row[at]) - 8,
            'text-anchor': l === 0 ? 'start' : l === L ? 'end' : 'middle',
          },
          row[at].toFixed(2),
        ),
    ]),
  );
}
