// A conversation, each token shaded by how unsure the model was of it.

import { ask, events, guarded, say } from './server.js';
import { numeric } from './address.js';
import { el, figure, roving, slider } from './dom.js';
import { percent, visible } from './words.js';

export const name = 'Chat';
export const question = 'How sure is it of what it says?';
export const lead =
  'An answer is drawn token by token. The darker a token is marked, the less sure the model was of it; ' +
  'choose one to see what else might have stood there.';

const MOST_REPLAYED = 20;

export function render(view, { model, state, keep, leaving }) {
  if (!model.chat) {
    view.append(
      el(
        'p',
        { class: 'note' },
        'This model was not trained on conversations, so there is nobody to talk to: choose its next tokens ' +
          'yourself, or serve a run that began with nanochat train --from RUN --data builtin:world-rehearsal.',
      ),
    );
    return;
  }
  const DEFAULTS = { temperature: 1, seed: 1 };
  let temperature = numeric(state, 'temperature', { min: 0, max: 2, value: DEFAULTS.temperature });
  let seed = Math.round(numeric(state, 'seed', { min: 0, max: 2 ** 31 - 1, value: DEFAULTS.seed }));
  const replayed = state.getAll('q').slice(0, MOST_REPLAYED);
  let messages = [],
    speaking;

  const log = el('div', { class: 'chat', role: 'log', 'aria-label': 'Conversation' });
  const aside = el('div', { class: 'others', 'aria-live': 'polite' });
  const input = el('textarea', { id: 'say', rows: '2', autocomplete: 'off' });
  const send = el('button', { class: 'primary' }, 'Say');
  const stop = el('button', { type: 'button', disabled: true, onclick: () => speaking?.abort() }, 'Stop');
  const other = el(
    'button',
    {
      type: 'button',
      disabled: true,
      onclick: () => {
        seedField.value = ++seed;
        repeat();
      },
    },
    'Another answer',
  );
  const anew = el(
    'button',
    {
      type: 'button',
      disabled: true,
      onclick: () => {
        speaking?.abort();
        messages = [];
        log.replaceChildren();
        told();
        hint();
        input.focus();
      },
    },
    'Begin anew',
  );
  const seedField = el('input', { type: 'number', id: 'seed', min: '0', max: String(2 ** 31 - 1), step: '1' });
  const suggestions = el('p', { class: 'row suggestions' });
  roving(log);

  const questions = () => messages.filter(one => one.role === 'user').map(one => one.content);
  const told = () => {
    keep({ q: questions(), temperature, seed }, DEFAULTS);
    other.disabled = anew.disabled = !messages.length;
    suggestions.hidden = Boolean(messages.length);
  };

  /** Ask, and show the answer as it comes. Its seed is the conversation's: a link draws the same again. */
  async function answer(text) {
    speaking = new AbortController();
    const mine = speaking;
    messages.push({ role: 'user', content: text });
    const spoken = el('p', { class: 'spoken' });
    const turn = el('div', { class: 'turn answer' }, el('span', { class: 'who' }, 'model'), spoken);
    const asked = el('div', { class: 'turn' }, el('span', { class: 'who' }, 'you'), el('p', { class: 'spoken' }, text));
    log.append(asked, turn);
    told();
    let said = '',
      surprise = 0,
      n = 0,
      doubtful;
    send.disabled = true;
    stop.disabled = false;
    const row = log.querySelectorAll('.answer').length - 1;
    const body = { messages, temperature, seed, stream: true, logprobs: true, top_logprobs: 5 };
    const ended = await guarded(async () => {
      for await (const { data } of events('v1/chat/completions', body, mine.signal)) {
        if (data.error) return say(data.error.message, true);
        const [choice] = data.choices;
        for (const token of choice?.logprobs?.content ?? []) {
          const [before] = token.token.match(/^\s*/); // a space is not what it was unsure of
          const one = word(token, row, n++);
          spoken.append(before, one);
          if (!doubtful || token.logprob < doubtful.token.logprob) doubtful = { token, one };
          surprise -= token.logprob / Math.LN2;
        }
        said += choice?.delta?.content ?? '';
      }
      return true;
    });
    send.disabled = false;
    stop.disabled = true;
    if (doubtful) others(doubtful.one, doubtful.token);
    if (said) {
      messages.push({ role: 'assistant', content: said });
      if (n)
        turn.append(
          el(
            'span',
            { class: 'total' },
            `${n === 1 ? '1 token' : `${n} tokens`}, ${(surprise / n).toFixed(2)} bits of surprise each` +
              (ended ? '' : '; stopped'),
          ),
        );
    } else {
      messages.pop();
      asked.remove();
      turn.remove();
      input.value ||= text;
    }
    told();
    return Boolean(ended);
  }

  function word(token, row, column) {
    const p = Math.exp(token.logprob);
    const button = el(
      'span',
      {
        class: 'word',
        role: 'button',
        style: { '--w': 1 - p },
        'data-row': row,
        'data-column': column,
        tabindex: column || row ? '-1' : '0',
      },
      shown(token.token.trimStart()),
    );
    button.addEventListener('focus', () => others(button, token));
    button.addEventListener('pointerenter', () => others(button, token));
    return button;
  }

  /** What else might have stood where this token stands. */
  function others(button, token) {
    for (const one of log.querySelectorAll('.word.at')) one.classList.remove('at');
    button.classList.add('at');
    const p = Math.exp(token.logprob);
    const rows = token.top_logprobs.map(one => ({ ...one, p: Math.exp(one.logprob) }));
    aside.replaceChildren(
      el(
        'p',
        {},
        'Where it said ',
        el('b', {}, visible(token.token.trimStart())),
        ` (${percent(p)}), there might have stood:`,
      ),
      el(
        'ol',
        { class: 'candidates' },
        ...rows.map(one =>
          el(
            'li',
            { class: `candidate small${one.token === token.token ? ' taken' : ''}` },
            el('span', { class: 'token' }, visible(one.token)),
            el(
              'span',
              { class: 'track', 'aria-hidden': 'true' },
              el('span', { class: 'p', style: { width: `${100 * one.p}%` } }),
            ),
            el('span', { class: 'p' }, percent(one.p)),
          ),
        ),
      ),
    );
  }

  const hint = () =>
    aside.replaceChildren(el('p', { class: 'hint' }, 'Point at a token, or go to one with Tab and the arrow keys.'));

  /** The last question once more, under another seed. */
  async function repeat() {
    speaking?.abort();
    const last = messages.findLastIndex(one => one.role === 'user');
    const text = messages[last].content;
    messages = messages.slice(0, last);
    [...log.children].slice(-2).forEach(node => node.remove());
    await answer(text);
  }

  leaving.addEventListener('abort', () => speaking?.abort());
  seedField.value = seed;
  seedField.addEventListener('input', () => {
    seed = Math.max(0, Math.round(+seedField.value) || 0);
    told();
  });
  const form = el(
    'form',
    {
      onsubmit: event => {
        event.preventDefault();
        const text = input.value.trim();
        if (!text || send.disabled) return;
        input.value = '';
        answer(text);
      },
    },
    el('div', { class: 'field' }, el('label', { for: 'say' }, 'You'), input),
    el('p', { class: 'row' }, send, stop, other, anew),
    suggestions,
  );
  input.addEventListener('keydown', event => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  view.append(
    el(
      'div',
      { class: 'columns' },
      el(
        'section',
        { class: 'ruled', 'aria-labelledby': 'h-talk' },
        el('h3', { id: 'h-talk' }, 'The conversation'),
        log,
        scale(),
        form,
      ),
      el(
        'aside',
        { 'aria-labelledby': 'h-draw' },
        figure(
          'What else?',
          el(
            'figcaption',
            {},
            'The likeliest tokens at this place, as the model itself gave them, before the temperature.',
          ),
          aside,
        ),
        el('h3', { id: 'h-draw' }, 'How it is drawn'),
        slider('temperature', 'Temperature', {
          min: 0,
          max: 2,
          step: 0.05,
          value: temperature,
          words: t => (t ? t.toFixed(2) : 'the likeliest'),
          hint: 'For what is said next.',
          onchange: t => {
            temperature = t;
            told();
          },
        }).row,
        el('p', { class: 'row' }, el('label', { for: 'seed' }, 'Seed'), seedField),
        el(
          'p',
          { class: 'hint' },
          'The same questions, seed and temperature give the same answers: the link of this page holds them.',
        ),
      ),
    ),
  );
  hint();
  told();
  guarded(async () => {
    for (const text of replayed) if (leaving.aborted || !(await answer(text))) return;
    if (replayed.length) return;
    const { questions: some } = await ask('api/examples', undefined, leaving);
    suggestions.replaceChildren(
      ...some.map(text => el('button', { type: 'button', class: 'quiet', onclick: () => answer(text) }, visible(text))),
    );
  });
}

/** A token within its sentence: the spaces behind it stay, what cannot be seen is shown. */
const shown = text => (text.trim() ? visible(text.trimEnd()) + text.slice(text.trimEnd().length) : text);

/** What the shades mean. */
function scale() {
  return el(
    'p',
    { class: 'key' },
    'Shades: the model gave this token ',
    ...[1, 0.75, 0.5, 0.25, 0].map(p => el('span', { class: 'word', style: { '--w': 1 - p } }, `${100 * p}\u2009%`)),
  );
}
