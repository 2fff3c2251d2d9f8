// A conversation, each token shaded by how unsure the model was of it. Its questions, seeds and temperatures are in the
// address, and since the same seed gives the same answer, a link shows the same conversation.

import { ask, events, guarded, say } from './server.js';
import { numeric } from './address.js';
import { el, figure, roving, slider } from './dom.js';
import { others, scale, speech } from './speech.js';
import { lines, visible } from './words.js';

export const name = 'Chat';
export const question = 'How sure is it of what it says?';
export const lead =
  'An answer is drawn token by token. The stronger a token is marked, the less sure the model was of it; ' +
  'choose one to see what else might have stood there.';

const MOST_REPLAYED = 20;
const SEED = { min: 0, max: 2 ** 31 - 1, value: 1, step: 1 };
const TEMPERATURE = { min: 0, max: 2, value: 1, step: 0.05 };
const DEFAULTS = { seed: SEED.value, temperature: TEMPERATURE.value };

/** What the address says of each question, and of the next; a setting that is given once is all of theirs. */
function replay(state) {
  const ith = (key, i) => state.getAll(key)[i] ?? state.getAll(key).at(-1);
  const settings = i => ({
    seed: numeric(ith('seed', i), SEED),
    temperature: numeric(ith('temperature', i), TEMPERATURE),
  });
  const questions = state.getAll('q').slice(0, MOST_REPLAYED);
  return { turns: questions.map((text, i) => ({ text, ...settings(i) })), next: settings(questions.length) };
}

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
  const asked = replay(state);
  const next = asked.next;
  let turns = []; // { text, seed, temperature, answer }
  let speaking = null;

  const button = (words, onclick) => el('button', { type: 'button', onclick }, words);
  const log = el('div', { class: 'chat', role: 'log', 'aria-label': 'Conversation' });
  const aside = el('div', { class: 'others', 'aria-live': 'polite' });
  const input = el('textarea', { id: 'say', rows: '2', autocomplete: 'off' });
  const send = el('button', { class: 'primary' }, 'Say');
  const stop = button('Stop', () => speaking?.abort());
  const other = button('Another answer', again);
  const anew = button('Begin anew', clear);
  const seed = el('input', { type: 'number', id: 'seed', min: SEED.min, max: SEED.max, step: '1' });
  const suggestions = el('p', { class: 'row suggestions', 'aria-busy': 'true' });
  roving(log);

  /** Keep the address and the buttons true. */
  function update() {
    const list = key => {
      const all = [...turns, next].map(turn => turn[key]);
      return all.every(one => one === all[0]) ? all[0] : all;
    };
    keep({ q: turns.map(turn => turn.text), seed: list('seed'), temperature: list('temperature') }, DEFAULTS);
    seed.value = next.seed;
    send.disabled = speaking !== null;
    stop.disabled = !speaking;
    other.disabled = anew.disabled = speaking !== null || !turns.length;
    suggestions.hidden = Boolean(turns.length);
  }

  /** Ask, and show the answer as it comes; what was not answered at all is taken back. -> whether it came to its end */
  async function answer(turn) {
    speaking = new AbortController();
    turns.push(turn);
    const heard = el(
      'div',
      { class: 'turn' },
      el('span', { class: 'who' }, 'you'),
      el('p', { class: 'spoken' }, lines(turn.text)),
    );
    const said = speech(turns.length - 1, look);
    log.append(heard, said.node);
    update();
    turn.answer = '';
    let nDropped = 0;
    const ended = await guarded(async () => {
      const hear = headers => {
        nDropped = Number(headers.get('x-nanochat-dropped-turns') ?? 0);
      };
      for await (const { data } of events('v1/chat/completions', body(turn), speaking.signal, hear)) {
        if (data.error) return say(data.error.message, true);
        data.choices[0]?.logprobs?.content.forEach(said.add);
        turn.answer += data.choices[0]?.delta.content ?? '';
      }
      return true;
    });
    said.end(!ended && 'stopped', nDropped && `the first ${nDropped} turns no longer fit in its context`);
    if (!turn.answer) {
      turns = turns.filter(one => one !== turn);
      heard.remove();
      said.node.remove();
      input.value ||= turn.text;
    }
    speaking = null;
    if (!leaving.aborted) update();
    return Boolean(ended);
  }

  function body({ seed, temperature }) {
    const messages = turns.flatMap(({ text, answer }) => [
      { role: 'user', content: text },
      ...(answer ? [{ role: 'assistant', content: answer }] : []),
    ]);
    return { messages, seed, temperature, stream: true, logprobs: true, top_logprobs: 5 };
  }

  /** What else might have stood where this token stands. */
  function look(word, token) {
    for (const one of log.querySelectorAll('.word.at')) one.classList.remove('at');
    word.classList.add('at');
    aside.replaceChildren(...others(token));
  }

  /** The last question once more, under the next seed. */
  function again() {
    const { text } = turns.pop();
    [...log.children].slice(-2).forEach(node => node.remove());
    next.seed += 1;
    answer({ text, ...next });
  }

  function clear() {
    turns = [];
    log.replaceChildren();
    hint();
    update();
    input.focus();
  }

  function hint() {
    aside.replaceChildren(el('p', { class: 'hint' }, 'Point at a token, or go to one with Tab and the arrow keys.'));
  }

  function submit(event) {
    event.preventDefault();
    const text = input.value.trim();
    if (!text || speaking) return;
    input.value = '';
    answer({ text, ...next });
  }

  leaving.addEventListener('abort', () => speaking?.abort());
  seed.addEventListener('change', () => {
    next.seed = numeric(seed.value, SEED);
    update();
  });
  input.addEventListener('keydown', event => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) submit(event);
  });
  const temperature = slider('temperature', 'Temperature', {
    ...TEMPERATURE,
    value: next.temperature,
    words: t => (t ? t.toFixed(2) : 'the likeliest'),
    hint: 'For what is said next.',
    onchange: t => {
      next.temperature = t;
      update();
    },
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
        el(
          'form',
          { onsubmit: submit },
          el('div', { class: 'field' }, el('label', { for: 'say' }, 'You'), input),
          el('p', { class: 'row' }, send, stop, other, anew),
          suggestions,
        ),
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
        temperature.row,
        el('p', { class: 'row' }, el('label', { for: 'seed' }, 'Seed'), seed),
        el(
          'p',
          { class: 'hint' },
          'The same questions, seeds and temperatures give the same answers: the link of this page holds them.',
        ),
      ),
    ),
  );
  hint();
  update();
  guarded(async () => {
    for (const turn of asked.turns) if (leaving.aborted || !(await answer(turn))) break;
    if (!asked.turns.length) {
      const { questions } = await ask('api/examples', undefined, leaving);
      const offer = text => answer({ text, ...next });
      suggestions.replaceChildren(
        ...questions.map(text =>
          el('button', { type: 'button', class: 'quiet', onclick: () => offer(text) }, visible(text)),
        ),
      );
    }
    suggestions.removeAttribute('aria-busy');
  });
}
