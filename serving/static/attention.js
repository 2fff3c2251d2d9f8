// Who attends to whom: one head at large, all heads beside it, and what the layers make of each token.

import { ask, newest } from './server.js';
import { numeric } from './address.js';
import { el, figure, redrawn, roving, scrolling } from './dom.js';
import { heads, habit } from './heads.js';
import { arcs, matrix } from './matrix.js';
import { lens, norms } from './layers.js';
import { prompt } from './prompt.js';
import { called, count, isSpecial, percent, quoted } from './words.js';

export const name = 'Attention';
export const question = 'Who attends to whom?';
export const lead =
  'In every layer each token gathers from the tokens before it, in shares that sum to 1. ' +
  'Each head does so in its own way: choose a head, then a token, and see where it looks.';

export function render(view, { model, state, keep, leaving }) {
  if (!model.can_trace) {
    view.append(
      el(
        'p',
        { class: 'note' },
        'This model has no attention to look at: it is a bigram, which sees one token only. ' +
          'Serve a GPT, for example one of nanochat train --preset microgpt.',
      ),
    );
    return;
  }
  const n = { layer: model.config.n_layer ?? 1, head: model.config.n_head ?? 1 };
  let layer = numeric(state.get('layer'), { min: 1, max: n.layer, value: 1, step: 1 }) - 1;
  let head = numeric(state.get('head'), { min: 1, max: n.head, value: 1, step: 1 }) - 1;
  let at = numeric(state.get('position'), { min: 1, max: 128, value: Infinity, step: 1 }) - 1;
  let found;

  const source = prompt({
    model,
    state,
    leaving,
    onchange: () => {
      at = Infinity;
      load();
    },
  });
  const line = el('div', { class: 'line', role: 'group', 'aria-label': 'Tokens: choose the one that looks' });
  const large = el('div', { class: 'large' });
  const all = el('div', { class: 'heads', role: 'group', 'aria-label': 'Heads: choose one' });
  const said = el('figcaption', { 'aria-live': 'polite' });
  const [saidHeads, saidLens, saidNorms] = [1, 2, 3].map(() => el('figcaption'));
  const [lensBox, normsBox] = [el('div'), el('div')];
  const title = el('span');
  const box = el('div', { class: 'scrolling' }, line);
  for (const box of [line, large, all]) roving(box);

  const load = newest(async signal => {
    found = await ask('api/trace', { ...source.values(), n: 1 }, signal);
    draw();
  }, leaving);

  function draw() {
    at = Math.min(at, found.tokens.length - 1);
    layer = Math.min(layer, found.n_layer - 1);
    head = Math.min(head, found.n_head - 1);
    keep(
      { ...source.values(), layer: layer + 1, head: head + 1, position: at + 1 },
      { chat: false, layer: 1, head: 1, position: found.tokens.length },
    );
    const rows = found.attention[layer][head];
    title.textContent = `Layer ${layer + 1}, head ${head + 1}`;
    redrawn(
      line,
      ...found.tokens.map((token, t) =>
        el(
          'button',
          {
            type: 'button',
            class: `token${isSpecial(token) ? ' special' : ''}`,
            'aria-pressed': String(t === at),
            tabindex: t === at ? '0' : '-1',
            'data-row': 0,
            'data-column': t,
            style: { '--w': t <= at ? rows[at][t] : 0 },
            onclick: () => look(t),
          },
          called(token),
        ),
      ),
    );
    redrawn(large, matrix(found.tokens, rows, at, look));
    redrawn(
      all,
      ...heads(found, layer, head, (l, h) => {
        layer = l;
        head = h;
        draw();
      }),
    );
    lensBox.replaceChildren(lens(found, at));
    normsBox.replaceChildren(norms(found, at));
    describe(rows);
    join();
  }

  function look(t) {
    at = t;
    draw();
  }

  function describe(rows) {
    const looks = rows[at]
      .map((w, s) => [w, s])
      .sort((a, b) => b[0] - a[0])
      .filter(([w]) => w >= 0.05)
      .slice(0, 3);
    said.textContent =
      `${quoted(found.tokens[at])} (token ${at + 1}) takes ` +
      looks.map(([w, s]) => `${percent(w)} from ${s === at ? 'itself' : quoted(found.tokens[s])}`).join(', ') +
      '. A row of the table is one token looking back; it sums to 1, and the future is hidden.' +
      (found.n_dropped ? ` The first ${count(found.n_dropped)} tokens did not fit and were not read.` : '');
    saidHeads.textContent =
      `The same tokens in all ${found.n_layer * found.n_head} heads; the stronger the colour, ` +
      `the larger the share (by its square root). ` +
      `Averaged over the text, head ${head + 1} of layer ${layer + 1} gives ${habit(rows).words}.`;
    const last = found.lens.at(-1)[at][0];
    const came = found.tokens[at + 1];
    saidLens.textContent =
      `The best guess for what follows each token, were the model to answer after each layer. ` +
      `After ${quoted(found.tokens[at])} it ends with ${quoted(last)} (${percent(last.p)})` +
      (came ? `; what came was ${quoted(came)}, which had ${percent(came.p)}.` : '; nothing follows yet.');
    const norm = found.residual_norms.map(row => row[at]);
    saidNorms.textContent =
      'Each layer adds to what flows past it: a line for each token, its size (root mean square) after the embedding ' +
      `and after each layer. ${quoted(found.tokens[at])} goes from ${norm[0].toFixed(2)} to ${norm.at(-1).toFixed(2)}.`;
  }

  /** Arcs need to know where the tokens came to stand. */
  function join() {
    line.querySelector('svg')?.remove();
    const spots = [...line.querySelectorAll('button')].map(node => node.offsetLeft + node.offsetWidth / 2);
    box.scrollLeft = spots[at] - box.clientWidth / 2;
    line.prepend(arcs(spots, found.attention[layer][head][at], line.scrollWidth));
  }

  new ResizeObserver((_, observer) => {
    if (leaving.aborted) observer.disconnect();
    else if (found) join();
  }).observe(view);
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  scheme.addEventListener('change', () => found && draw(), { signal: leaving });
  view.append(
    source.node,
    el(
      'div',
      { class: 'columns' },
      figure(title, said, box, scrolling('Attention of the chosen head', large)),
      figure('All heads', saidHeads, all),
    ),
    el(
      'div',
      { class: 'columns' },
      figure('The answer, layer by layer', saidLens, scrolling('Best guess after each layer', lensBox, { tall: true })),
      figure('What flows through', saidNorms, normsBox),
    ),
  );
  source.begin(load);
}
