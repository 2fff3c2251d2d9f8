// Questions to the server, with the token that it may want, and streams of events. Addresses are relative: a proxy may
// put the server under a path.

const KEY = 'nanochat-token';

/** A refusal in the server's words. */
export class Refusal extends Error {
  constructor(status, { message = `the server answered ${status}`, code = '' } = {}) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Move a token from the address to this tab's memory: what stands in the address is shown, kept and handed on. */
export function takeToken() {
  const [view, query = ''] = location.hash.split(/\?(.*)/s);
  const state = new URLSearchParams(query);
  if (!state.has('token')) return;
  setToken(state.get('token'));
  state.delete('token');
  history.replaceState(null, '', `${location.pathname}${location.search}${view}${String(state) && `?${state}`}`);
}

export function setToken(token) {
  sessionStorage.setItem(KEY, token.trim());
}

/** A question, a POST where it has a body -> the answer. */
export async function ask(path, body, signal) {
  return (await asked(path, body, signal)).json();
}

async function asked(path, body, signal) {
  const token = sessionStorage.getItem(KEY);
  const headers = {
    ...(body && { 'Content-Type': 'application/json' }),
    ...(token && { Authorization: `Bearer ${token}` }),
  };
  const reply = await fetch(path, {
    method: body ? 'POST' : 'GET',
    headers,
    body: body && JSON.stringify(body),
    signal,
  }).catch(lost);
  if (reply.ok) return reply;
  const content = await reply.json().catch(() => ({}));
  if (reply.status === 401) dispatchEvent(new Event('token-wanted'));
  throw new Refusal(reply.status, content.error);
}

/** Server-sent events, as { event, data }; data is JSON, "[DONE]" ends. The headers are heard before the first. */
export async function* events(path, body, signal, hear = () => {}) {
  const reply = await asked(path, body, signal);
  hear(reply.headers);
  let held = '';
  for await (const text of pieces(reply.body.pipeThrough(new TextDecoderStream()))) {
    const blocks = (held + text).split('\n\n');
    held = blocks.pop();
    for (const block of blocks) {
      const field = name =>
        block
          .split('\n')
          .filter(line => line.startsWith(`${name}: `))
          .map(line => line.slice(name.length + 2));
      const data = field('data').join('\n');
      if (data === '[DONE]') return;
      if (data) yield { event: field('event')[0] ?? 'message', data: JSON.parse(data) };
    }
  }
}

async function* pieces(stream) {
  // Safari's streams are not iterable
  const reader = stream.getReader();
  try {
    for (let piece = await reader.read().catch(lost); !piece.done; piece = await reader.read().catch(lost))
      yield piece.value;
  } finally {
    reader.cancel().catch(() => {});
  }
}

function lost(error) {
  throw error.name === 'AbortError'
    ? error
    : new Refusal(0, { message: 'The server does not answer: is it still running?' });
}

let fading;

/** Say something below the page: news for some seconds, trouble until it is over. */
export function say(text = '', isBad = false) {
  const status = document.getElementById('status');
  clearTimeout(fading);
  if (!isBad)
    fading = setTimeout(() => {
      status.textContent = '';
    }, 6000);
  status.textContent = text;
  status.classList.toggle('bad', isBad);
}

/** Do the work -> its result, or undefined where it was called off, or refused: the reason is then said. */
export async function guarded(work) {
  try {
    const found = await work();
    if (document.getElementById('status').classList.contains('bad')) say();
    return found;
  } catch (error) {
    if (error instanceof Refusal) say(error.message, true);
    else if (error.name !== 'AbortError') throw error;
    return undefined;
  }
}

/** A function that does work(signal) a moment later and calls off what it did before: only the newest answer is
    shown. */
export function newest(work, leaving, wait = 80) {
  let timer, running;
  leaving.addEventListener('abort', () => {
    clearTimeout(timer);
    running?.abort();
  });
  return () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      running?.abort();
      running = new AbortController();
      guarded(() => work(running.signal));
    }, wait);
  };
}
