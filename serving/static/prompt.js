// The text that a view reads: typed, or one of the server's examples; of a model that chats, also as a question to it.

import { ask, guarded } from './server.js';
import { el } from './dom.js';
import { visible } from './words.js';

/** { node, values(), begin(load) }: values are those of the address and of a question to the server. */
export function prompt({ model, state, leaving, onchange }) {
  const field = el('textarea', { id: 'text', rows: '2', spellcheck: 'false', autocomplete: 'off' });
  const box = el('input', { type: 'checkbox', id: 'chat' });
  const offers = el('p', { class: 'row suggestions', 'aria-busy': 'true' });
  let examples = { texts: [], questions: [] };
  field.value = state.get('text') ?? '';
  box.checked = model.chat && state.get('chat') === 'true';

  function offer() {
    const texts = box.checked ? examples.questions : examples.texts;
    offers.replaceChildren(
      ...texts.map(text =>
        el(
          'button',
          {
            type: 'button',
            class: 'quiet',
            onclick: () => {
              field.value = text;
              onchange();
            },
          },
          visible(text),
        ),
      ),
    );
  }

  field.addEventListener('input', onchange);
  box.addEventListener('change', () => {
    const [from, to] = box.checked ? [examples.texts, examples.questions] : [examples.questions, examples.texts];
    if (from.includes(field.value) && to.length) [field.value] = to;
    offer();
    onchange();
  });
  return {
    node: el(
      'div',
      { class: 'field' },
      el('label', { for: 'text' }, 'Text'),
      field,
      model.chat && el('p', { class: 'row' }, box, el('label', { for: 'chat' }, 'as a question in a chat')),
      offers,
    ),
    values: () => ({ text: field.value, chat: box.checked }),
    /** Ask for examples, and read the first where the address names no text. */
    begin: load =>
      guarded(async () => {
        if (state.has('text')) load();
        examples = await ask('api/examples', undefined, leaving);
        offers.removeAttribute('aria-busy');
        offer();
        if (state.has('text')) return;
        field.value = (box.checked ? examples.questions : examples.texts)[0] ?? '';
        load();
      }),
  };
}
