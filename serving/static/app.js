// The shell: which view the address names, the tabs, and the token where the server wants one.

import { ask, guarded, setToken, takeToken } from './server.js';
import { here, keep } from './address.js';
import { el } from './dom.js';
import { count, visible } from './words.js';
import * as attention from './attention.js';
import * as chat from './chat.js';
import * as gradients from './gradients.js';
import * as next from './next.js';
import * as training from './training.js';

const VIEWS = { next, attention, gradients, training, chat };
const main = document.getElementById('view');
const tabs = Object.fromEntries(
  Object.entries(VIEWS).map(([key, view]) => [key, el('a', { href: `#${key}` }, view.name)]),
);
let leave = new AbortController();
let model;

function go() {
  const asked = here();
  takeToken();
  const key = asked.view in VIEWS ? asked.view : 'next';
  const view = VIEWS[key];
  leave.abort();
  leave = new AbortController();
  for (const [name, tab] of Object.entries(tabs)) {
    if (name === key) tab.setAttribute('aria-current', 'page');
    else tab.removeAttribute('aria-current');
  }
  document.title = `${view.name} · nanochat`;
  main.dataset.view = key;
  main.replaceChildren(el('h2', {}, view.question), el('p', { class: 'lead' }, view.lead));
  view.render(main, {
    model,
    state: here().state,
    keep: (values, defaults) => keep(key, values, defaults),
    leaving: leave.signal,
  });
}

/** Ask who is served, then show the view. */
async function start() {
  const found = await guarded(() => ask('api/model'));
  if (!found) return;
  model = found;
  const kind = `${model.config.n_layer ?? 1} layer${model.config.n_layer === 1 ? '' : 's'}`;
  document
    .getElementById('model')
    .replaceChildren(
      el('b', {}, visible(model.name)),
      ` ${count(model.n_parameters)} parameters · `,
      model.kind === 'gpt' ? `${kind} · ` : `${model.kind} · `,
      `${count(model.vocab_size)} tokens · context ${count(model.context)}`,
    );
  go();
}

/** A field for what the server wants to know; the views come when it is right. */
function askForToken() {
  if (document.getElementById('token')) return;
  leave.abort();
  const field = el('input', { type: 'password', id: 'token', autocomplete: 'off', required: true });
  const form = el(
    'form',
    {
      class: 'door',
      onsubmit: event => {
        event.preventDefault();
        setToken(field.value);
        main.replaceChildren();
        start();
      },
    },
    el('h2', {}, 'This server asks for a token'),
    el('p', { class: 'lead' }, 'Whoever started it knows it. It stays in this tab, and never in the address.'),
    el(
      'p',
      { class: 'row' },
      el('label', { for: 'token' }, 'Token'),
      field,
      el('button', { class: 'primary' }, 'Enter'),
    ),
  );
  main.replaceChildren(form);
  field.focus();
}

const copy = document.getElementById('copy');
copy.hidden = !navigator.clipboard; // there is none on an address without TLS that is not this machine's own
copy.addEventListener('click', async () => {
  await navigator.clipboard.writeText(location.href);
  copy.textContent = 'Copied';
  setTimeout(() => {
    copy.textContent = 'Copy link';
  }, 1500);
});
document.getElementById('skip').addEventListener('click', event => {
  event.preventDefault();
  main.focus();
});
document.getElementById('views').append(...Object.values(tabs).map(tab => el('li', {}, tab)));
addEventListener('kept', () => {
  tabs[main.dataset.view].setAttribute('href', location.hash);
});
addEventListener('token-wanted', askForToken);
addEventListener('hashchange', () => {
  if (model) go();
  else {
    takeToken();
    start();
  }
});

takeToken();
start();
