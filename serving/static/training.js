// A run as it trains: its losses as they are written, and what it says at each step.

import { Refusal, ask, events, guarded, say } from './server.js';
import { chart, smoothed } from './chart.js';
import { el, figure } from './dom.js';
import { count, number, visible } from './words.js';

export const name = 'Training';
export const question = 'How does it learn?';
export const lead =
  'Loss is surprise: at each token, the less probability the model had given to what came, the more. ' +
  'Training lowers it batch by batch; what counts is the loss on text that the model never trains on.';

const STATUS = {
  ok: 'has ended',
  stopped: 'was stopped',
  interrupted: 'was interrupted',
  diverged: 'diverged',
  unfinished: 'has not ended, and writes nothing now',
  damaged: 'cannot be read',
};
const QUIET_S = 30;
/** A run that wrote nothing for so long is not called training. */
const SAMPLES_SHOWN = 8;

export function render(view, { model, state, keep, leaving }) {
  let asked = state.get('run');
  let at = /^\d{1,9}$/.test(state.get('step') ?? '') ? +state.get('step') : null; // null: the newest
  let run = null,
    rows = [],
    samples = [],
    following,
    frame,
    quiet,
    isTraining = false;

  const pick = el('select', { id: 'run' });
  const again = el('button', { type: 'button', hidden: true, onclick: () => follow() }, 'Follow again');
  const live = el('span', { class: 'live' });
  const cards = el('dl', { class: 'cards' });
  const plot = el('div', { class: 'plot' });
  const track = el('input', { type: 'range', id: 'step', min: '0', step: '1' });
  const where = el('output', { for: 'step' });
  const newest = el(
    'button',
    {
      type: 'button',
      onclick: () => {
        at = null;
        redraw();
      },
    },
    'Newest',
  );
  const said = el('figcaption');
  const drawn = el('div', { class: 'samples' });
  const saidSamples = el('figcaption');

  /** Many rows may come at once; they are drawn once. */
  function redraw() {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(draw);
  }

  function draw() {
    if (leaving.aborted || !run) return;
    const steps = rows.filter(row => 'loss' in row);
    const validations = rows.filter(row => 'val_loss' in row);
    const last = rows.at(-1)?.step ?? 0;
    const shownAt = at === null ? last : Math.min(at, last);
    const means = smoothed(steps.map(row => row.loss));
    track.max = last;
    track.value = shownAt;
    where.textContent = at === null ? `${count(last)}, the newest` : count(shownAt);
    keep({ run: run.name, step: at ?? '' }, { step: '' });
    const upTo = list => list.findLastIndex(row => row.step <= shownAt);
    const [i, j] = [upTo(steps), upTo(validations)];
    const uniform = run.name === serving ? Math.log(model.vocab_size) : null;
    plot.replaceChildren(
      chart({
        steps,
        means,
        validations,
        last,
        at: at === null ? null : shownAt,
        uniform,
        width: plot.clientWidth || 600,
      }),
    );
    drawCards(shownAt, steps[i], means[i], validations[j]);
    said.textContent = rows.length ? caption(validations) : 'Nothing was written yet.';
    live.textContent = isTraining ? 'is training now' : (STATUS[run.status] ?? run.status);
    live.classList.toggle('now', isTraining);
    drawSamples(shownAt);
  }

  /** What stands at the step that is looked at. */
  function drawCards(shownAt, step, mean, validation) {
    const figures = [
      ['step', run.steps ? `${count(shownAt)} of ${count(run.steps)}` : count(shownAt)],
      ['training loss', fixed(mean, 3)],
      ['validation loss', fixed(validation?.val_loss, 3)],
      ['as unsure as between', validation?.val_loss == null ? '…' : `${unsure(validation)} tokens`],
      ['learning rate', step?.lr == null ? '…' : number(step.lr)],
    ];
    cards.replaceChildren(...figures.map(([term, words]) => el('div', {}, el('dt', {}, term), el('dd', {}, words))));
  }

  /** What was drawn up to this step, the newest first, of long runs the steps spread evenly. */
  function drawSamples(shownAt) {
    const byStep = grouped(samples);
    const past = [...byStep.keys()].filter(step => step <= shownAt).sort((a, b) => a - b);
    const picked =
      past.length <= SAMPLES_SHOWN
        ? past
        : Array.from(
            { length: SAMPLES_SHOWN },
            (_, k) => past[Math.round((k * (past.length - 1)) / (SAMPLES_SHOWN - 1))],
          );
    saidSamples.textContent = samples.length
      ? 'What the model draws as it learns, the newest first.'
      : 'This run wrote no samples: nanochat train --sample-every 100 writes some as it goes.';
    drawn.replaceChildren(
      ...picked
        .reverse()
        .map(step =>
          el(
            'section',
            { 'aria-label': `Samples of step ${step}` },
            el('h4', {}, `step ${count(step)}`),
            el('ul', {}, ...byStep.get(step).map(one => el('li', {}, visible(one.text)))),
          ),
        ),
    );
  }

  /** A run has no sign that it goes on but what it writes. */
  function wrote(isNow) {
    clearTimeout(quiet);
    isTraining = isNow;
    if (isNow)
      quiet = setTimeout(() => {
        wrote(false);
        redraw();
      }, 1000 * QUIET_S);
  }

  const isYoung = one => one.status === 'unfinished' && one.age_s < QUIET_S;

  async function follow() {
    following?.abort();
    following = new AbortController();
    const mine = following;
    again.hidden = true;
    rows = samples = [];
    run = null;
    const ended = await guarded(async () => {
      for await (const { event, data } of events(
        `api/runs/${encodeURIComponent(pick.value)}/events`,
        null,
        mine.signal,
      )) {
        if (event === 'error') throw new Refusal(500, data.error);
        if (event === 'run') {
          run = data;
          wrote(isYoung(run));
        } else if (event === 'restart') {
          rows = samples = [];
          wrote(true);
        } else if (event === 'metrics') {
          if (run.status === 'unfinished' && data.at(-1).step > run.step) wrote(true); // newer than when we asked
          rows = rows.concat(data);
        } else if (event === 'samples') samples = samples.concat(data);
        else if (event === 'ended') {
          run = { ...run, ...data };
          wrote(false);
        }
        redraw();
        if (event === 'ended') return true;
      }
      throw new Refusal(0, { message: 'The server no longer tells of this run.' });
    });
    if (!ended && !mine.signal.aborted) again.hidden = false;
  }

  let serving;
  leaving.addEventListener('abort', () => {
    following?.abort();
    cancelAnimationFrame(frame);
    clearTimeout(quiet);
  });
  pick.addEventListener('change', () => {
    at = null;
    say();
    follow();
  });
  track.addEventListener('input', () => {
    at = +track.value;
    redraw();
  });
  new ResizeObserver((_, observer) => {
    if (leaving.aborted) observer.disconnect();
    else redraw();
  }).observe(plot);
  view.append(
    el('p', { class: 'row' }, el('label', { for: 'run' }, 'Run'), pick, live, again),
    cards,
    figure(
      'Loss',
      said,
      plot,
      el('p', { class: 'row steps' }, el('label', { for: 'step' }, 'Look at step'), track, where, newest),
    ),
    figure('Samples', saidSamples, drawn),
  );
  guarded(async () => {
    const { runs } = await ask('api/runs', undefined, leaving);
    if (!runs.length) {
      view.replaceChildren(
        ...[...view.children].slice(0, 2),
        el(
          'p',
          { class: 'note' },
          'There is no run to look at here yet. In another terminal: nanochat train --preset microgpt ' +
            '--data builtin:names --sample-every 100. Then open this view again.',
        ),
      );
      return;
    }
    serving = runs.find(one => one.served)?.name;
    pick.append(
      ...runs.map(one =>
        el(
          'option',
          { value: one.name },
          `${visible(one.name)}${one.served ? ' (served here)' : isYoung(one) ? ' (training)' : ''}`,
        ),
      ),
    );
    pick.value = runs.some(one => one.name === asked)
      ? asked
      : (runs.find(isYoung) ?? runs.find(one => one.served) ?? runs[0]).name;
    if (asked !== null && asked !== pick.value)
      say(`There is no run ${visible(asked)} here; this is ${visible(pick.value)}.`);
    follow();
  });
}

const fixed = (x, digits) => (x == null ? '…' : x.toFixed(digits));
const unsure = ({ val_loss: loss }) => Math.exp(loss).toFixed(1);

/** What the chart shows, and how far the validation came. */
function caption(validations) {
  const told = validations.filter(row => row.val_loss != null);
  const [first, last] = [told[0], told.at(-1)];
  const words =
    'Loss in nats a token, by step: thin each batch, thick its mean, the last twenty foremost, dots the validations.';
  if (told.length < 2) return words;
  return (
    `${words} Validation went from ${fixed(first.val_loss, 2)} to ${fixed(last.val_loss, 2)}: ` +
    `from as unsure as between ${unsure(first)} tokens to ${unsure(last)}.`
  );
}

/** Samples by step; Map.groupBy is younger than the browsers this serves. */
function grouped(samples) {
  const found = new Map();
  for (const one of samples) found.set(one.step, [...(found.get(one.step) ?? []), one]);
  return found;
}
