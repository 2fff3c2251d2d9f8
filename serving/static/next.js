// What comes next: the probabilities of the model, what the sampler's settings leave of them, the reader's own choice.

import { ask, newest, say } from './server.js';
import { numeric } from './address.js';
import { el, figure, redrawn, roving, slider } from './dom.js';
import { prompt } from './prompt.js';
import { called, count, isSpecial, percent, quoted } from './words.js';

export const name = 'Next token';
export const question = 'What comes next?';
export const lead =
  'A language model does one thing: it gives every token of its vocabulary a probability of coming next. ' +
  'Which one is taken is another matter: a sampler draws, or you choose.';

const SHOWN = 14;
const SCALES = [0.1, 0.25, 0.5, 1];
/** What a whole bar may stand for. */

const SETTINGS = {
  temperature: {
    title: 'Temperature',
    min: 0,
    max: 2,
    step: 0.05,
    value: 1,
    words: t => (t ? t.toFixed(2) : 'the likeliest'),
    hint: 'Below 1 sharpens, above 1 flattens.',
  },
  top_k: {
    title: 'Top-k',
    min: 0,
    max: 50,
    step: 1,
    value: 0,
    words: k => (k ? `${k} tokens` : 'off'),
    hint: 'Keeps the k likeliest.',
  },
  top_p: {
    title: 'Top-p',
    min: 0,
    max: 1,
    step: 0.01,
    value: 1,
    words: p => (p < 1 ? p.toFixed(2) : 'off'),
    hint: 'Keeps the likeliest that together have this share.',
  },
  min_p: {
    title: 'Min-p',
    min: 0,
    max: 0.5,
    step: 0.01,
    value: 0,
    words: p => (p ? p.toFixed(2) : 'off'),
    hint: 'Cuts what is below this share of the likeliest.',
  },
};

export function render(view, { model, state, keep, leaving }) {
  const settings = Object.fromEntries(
    Object.entries(SETTINGS).map(([key, one]) => [key, numeric(state.get(key), one)]),
  );
  const defaults = {
    chat: false,
    then: '',
    ...Object.fromEntries(Object.entries(SETTINGS).map(([key, one]) => [key, one.value])),
  };
  let chosen = (state.get('then') ?? '')
    .split('.')
    .filter(id => /^\d{1,9}$/.test(id))
    .map(Number);
  let read = null; // ids of the text, known after the first answer
  let found = null;

  const source = prompt({
    model,
    state,
    leaving,
    onchange: () => {
      chosen = [];
      read = null;
      load();
    },
  });
  const tokens = el('ol', { class: 'tokens', 'aria-label': 'Tokens that were read' });
  const bars = el('ol', { class: 'candidates', 'aria-label': 'Likeliest next tokens' });
  const caption = el('figcaption', { 'aria-live': 'polite' });
  const axis = el('span', { class: 'axis' });
  const left = el('p', { class: 'numbers' });
  const back = el(
    'button',
    {
      type: 'button',
      disabled: true,
      onclick: () => {
        chosen.pop();
        load();
      },
    },
    'Take back',
  );
  const draw = el('button', { type: 'button', class: 'primary', disabled: true, onclick: lottery }, 'Draw one');
  const onward = el('a', { class: 'onward' }, 'Who attends to whom in this text?');

  const load = newest(async signal => {
    keep({ ...source.values(), then: chosen.join('.'), ...settings }, defaults);
    if (read === null && chosen.length)
      read = (await ask('api/tokenize', source.values(), signal)).tokens.map(token => token.id);
    const asked = chosen.length ? { ids: [...read, ...chosen] } : source.values();
    found = await ask('api/next', { ...asked, n: 50, ...settings }, signal);
    if (!chosen.length) read = found.tokens.map(token => token.id);
    show();
  }, leaving);

  function choose(candidate) {
    chosen.push(candidate.id);
    load();
  }

  function lottery() {
    let rest = Math.random() * found.candidates.reduce((sum, one) => sum + one.p_sampled, 0);
    const drawn = found.candidates.find(one => (rest -= one.p_sampled) < 0) ?? found.candidates[0];
    say(`Drawn: ${quoted(drawn)}, which had ${percent(drawn.p_sampled)}.`);
    choose(drawn);
  }

  function show() {
    const own = found.tokens.length - chosen.length;
    tokens.replaceChildren(
      ...found.tokens.map((token, i) =>
        el('li', { class: `token${isSpecial(token) ? ' special' : ''}${i >= own ? ' chosen' : ''}` }, called(token)),
      ),
    );
    draw.disabled = false;
    back.disabled = !chosen.length;
    const asked = { text: joined(), ...(source.values().chat && { chat: true }) };
    onward.href = `#attention?${new URLSearchParams(asked)}`;
    onward.hidden = !model.can_trace || (source.values().chat && chosen.length > 0);
    const shown = found.candidates.slice(0, SHOWN);
    const full = SCALES.find(share => shown.every(one => Math.max(one.p, one.p_sampled) <= share));
    axis.replaceChildren(...[0, full].map(share => el('span', {}, `${100 * share}\u2009%`)));
    redrawn(bars, ...shown.map((one, i) => row(one, full, i)));
    const unsure = 2 ** found.entropy_bits;
    const last = found.tokens.at(-1);
    caption.replaceChildren(
      `After ${last ? quoted(last) : 'nothing'} the model is as unsure as between `,
      el('b', {}, unsure < 10 ? unsure.toFixed(1) : count(Math.round(unsure))),
      ` equally likely tokens: an entropy of ${found.entropy_bits.toFixed(2)} bits.`,
      found.n_dropped
        ? ` The first ${count(found.n_dropped)} tokens did not fit in its context and were not read.`
        : '',
    );
    left.textContent =
      `The settings leave ${count(found.kept)} of ${count(found.vocabulary)} tokens, ` +
      `as unsure as between ${(2 ** found.entropy_bits_sampled).toFixed(1)}.`;
  }

  function joined() {
    return (
      source.values().text +
      found.tokens
        .slice(found.tokens.length - chosen.length)
        .map(token => token.text)
        .join('')
    );
  }

  function row(candidate, full, i) {
    const { p, p_sampled: q } = candidate;
    const bar = (kind, share) => el('span', { class: kind, style: { width: `${(100 * share) / full}%` } });
    return el(
      'li',
      {},
      el(
        'button',
        {
          type: 'button',
          class: `candidate${q ? '' : ' cut'}`,
          'data-row': i,
          'data-column': 0,
          tabindex: i ? '-1' : '0',
          onclick: () => choose(candidate),
        },
        el('span', { class: `token${isSpecial(candidate) ? ' special' : ''}` }, called(candidate)),
        el('span', { class: 'track', 'aria-hidden': 'true' }, bar('p', p), bar('q', q)),
        el('span', { class: 'p' }, percent(p)),
        el('span', { class: 'q' }, q ? percent(q) : 'cut'),
      ),
    );
  }

  roving(bars);
  view.append(
    source.node,
    el(
      'div',
      { class: 'columns' },
      figure(
        'The likeliest tokens',
        caption,
        tokens,
        el(
          'p',
          { class: 'candidate head', 'aria-hidden': 'true' },
          el('span', {}, 'choose one'),
          axis,
          el('span', { class: 'p' }, 'model'),
          el('span', { class: 'q' }, 'sampler'),
        ),
        bars,
      ),
      el(
        'aside',
        { 'aria-labelledby': 'h-settings' },
        el('h3', { id: 'h-settings' }, 'The sampler'),
        el('p', { class: 'row' }, draw, back),
        el('p', { class: 'hint' }, 'Draws in proportion to the orange bars, among the 50 likeliest.'),
        ...Object.entries(SETTINGS).map(
          ([key, one]) =>
            slider(key, one.title, {
              ...one,
              value: settings[key],
              onchange: value => {
                settings[key] = value;
                load();
              },
            }).row,
        ),
        left,
        onward,
      ),
    ),
  );
  source.begin(load);
}
