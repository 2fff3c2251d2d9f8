// One head: its shares as a table, and those of one token as arcs.

import { el, svg } from './dom.js';
import { STRONG, called, percent, quoted } from './words.js';

const ROOM = 32;
/** Up to so many tokens the cells have room for numbers. */

/** How large the cells of so many tokens are. */
const size = T => (T > ROOM ? 'dense' : T > 18 ? 'narrow' : T > 12 ? '' : 'wide');

/** Rows look, columns are looked at: w[t][s] in percent. Arrow keys go from cell to cell. */
export function matrix(tokens, rows, at, look) {
  const T = tokens.length;
  const cell = (w, t, s) =>
    el(
      'td',
      {
        class: w > STRONG ? 'strong' : null,
        style: { '--w': w },
        'data-row': t,
        'data-column': s,
        tabindex: t === at && s === t ? '0' : '-1',
        title: `${quoted(tokens[t])} takes ${percent(w)} from ${quoted(tokens[s])}`,
      },
      T <= ROOM && w >= 0.095 ? (100 * w).toFixed(0) : '',
    );
  const table = el(
    'table',
    { class: `matrix ${size(T)}`, role: 'grid', 'aria-label': 'Shares in percent: a row looks, a column is looked at' },
    el(
      'thead',
      {},
      el('tr', {}, el('td'), ...tokens.map(token => el('th', { scope: 'col' }, el('span', {}, called(token))))),
    ),
    el(
      'tbody',
      {},
      ...rows.map((row, t) =>
        el(
          'tr',
          { class: t === at ? 'at' : null },
          el('th', { scope: 'row' }, called(tokens[t])),
          ...row.map((w, s) => cell(w, t, s)),
          t < T - 1 && el('td', { class: 'future', colspan: T - 1 - t }),
        ),
      ),
    ),
  );
  const choose = event => {
    const td = event.target.closest('[data-row]');
    if (td && +td.dataset.row !== at) look(+td.dataset.row);
  };
  table.addEventListener('click', choose);
  table.addEventListener('keydown', event => {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      choose(event);
    }
  });
  return table;
}

/** From the token that looks, the last of `row`, to those before it: as thick as their share. Spots are middles
    in px. */
export function arcs(spots, row, width) {
  const HEIGHT = 110;
  const at = row.length - 1;
  const longest = Math.max(1, spots[at] - spots[0]);
  const drawn = row.map((w, s) => {
    if (w < 0.01) return null;
    const [from, to] = [spots[at], spots[s]];
    const shape = {
      class: 'arc',
      'stroke-width': (0.6 + 8 * w).toFixed(2),
      'stroke-opacity': (0.25 + 0.75 * w).toFixed(2),
    };
    if (s === at)
      return svg('path', {
        ...shape,
        d: `M${from - 5} ${HEIGHT}C${from - 14} ${HEIGHT - 26} ${from + 14} ${HEIGHT - 26} ${from + 5} ${HEIGHT}`,
      });
    const rise = 22 + (HEIGHT - 28) * Math.min(1, (from - to) / Math.min(longest, 520));
    return svg('path', {
      ...shape,
      d: `M${from} ${HEIGHT}C${from} ${HEIGHT - rise * 1.25} ${to} ${HEIGHT - rise * 1.25} ${to} ${HEIGHT}`,
    });
  });
  return svg(
    'svg',
    { class: 'arcs', width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, 'aria-hidden': 'true' },
    ...drawn,
  );
}
