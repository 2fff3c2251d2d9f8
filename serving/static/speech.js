// What a model says, as it comes: each token shaded by its doubt, and what else might have stood in its place.

import { el } from './dom.js';
import { percent, visible } from './words.js';

const share = token => Math.exp(token.logprob);

/** An answer in the making, the row-th of its conversation: { node, add(token), end(remarks), said(). }
    `look(button, token)` is called where a reader looks at a token. */
export function speech(row, look) {
  const spoken = el('p', { class: 'spoken' });
  const node = el('div', { class: 'turn answer' }, el('span', { class: 'who' }, 'model'), spoken);
  const found = [];
  return {
    node,
    add(token) {
      const button = word(token, row, found.length);
      for (const event of ['focus', 'pointerenter']) button.addEventListener(event, () => look(button, token));
      spoken.append(token.token.match(/^\s*/)[0], button); // a space is not what it was unsure of
      found.push({ button, token });
    },
    /** Say how surprising it was, and look at the token that it was least sure of. */
    end(...remarks) {
      if (!found.length) return;
      const bits = found.reduce((sum, { token }) => sum - token.logprob / Math.LN2, 0) / found.length;
      const tokens = found.length === 1 ? '1 token' : `${found.length} tokens`;
      const words = [`${tokens}, ${bits.toFixed(2)} bits of surprise each`, ...remarks.filter(Boolean)];
      node.append(el('span', { class: 'total' }, words.join('; ')));
      const doubtful = found.reduce((least, one) => (one.token.logprob < least.token.logprob ? one : least));
      look(doubtful.button, doubtful.token);
    },
  };
}

function word(token, row, column) {
  return el(
    'span',
    {
      class: 'word',
      role: 'button',
      style: { '--w': 1 - share(token) },
      'data-row': row,
      'data-column': column,
      tabindex: column || row ? '-1' : '0',
    },
    shown(token.token.trimStart()),
  );
}

/** A token within its sentence: the spaces behind it stay, what cannot be seen is shown. */
const shown = text => (text.trim() ? visible(text.trimEnd()) + text.slice(text.trimEnd().length) : text);

/** The likeliest tokens where this one stands, as bars. */
export function others(token) {
  const bar = one =>
    el(
      'li',
      { class: `candidate small${one.token === token.token ? ' taken' : ''}` },
      el('span', { class: 'token' }, visible(one.token)),
      el(
        'span',
        { class: 'track', 'aria-hidden': 'true' },
        el('span', { class: 'p', style: { width: `${100 * share(one)}%` } }),
      ),
      el('span', { class: 'p' }, percent(share(one))),
    );
  const name = el('b', {}, visible(token.token.trimStart()));
  return [
    el('p', {}, 'Where it said ', name, ` (${percent(share(token))}), there might have stood:`),
    el('ol', { class: 'candidates' }, ...token.top_logprobs.map(bar)),
  ];
}

/** What the shades mean. */
export function scale() {
  const shades = [1, 0.75, 0.5, 0.25, 0].map(p =>
    el('span', { class: 'word', style: { '--w': 1 - p } }, `${100 * p}\u2009%`),
  );
  return el('p', { class: 'key' }, 'Shades: the model gave this token ', ...shades);
}
