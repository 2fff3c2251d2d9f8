// A formula as a graph of Values: forward one box after the other, and backward by the chain rule.

import { ask, newest } from './server.js';
import { numeric } from './address.js';
import { el, figure, scrolling, slider } from './dom.js';
import { graph, signed } from './graph.js';
import { number } from './words.js';

export const name = 'Gradients';
export const question = 'How does the result depend on each number?';
export const lead =
  'Training asks this of millions of numbers; here are a few. Step forward and each box is computed from the boxes ' +
  'before it. Step on, and the chain rule carries the gradient back, one box at a time.';

const FUNCTIONS = new Set(['exp', 'log', 'relu', 'tanh', 'sigmoid', 'gelu', 'sqrt', 'abs', 'max']);
const PACE_MS = 1100;

/** The names of a formula, in order: letters that begin no function and no number. */
function namesOf(formula) {
  const found = formula.match(/(?<![\p{L}\p{N}_.])[\p{L}_][\p{L}\p{N}_]*/gu) ?? [];
  return [...new Set(found)].filter(one => !FUNCTIONS.has(one)).slice(0, 12);
}

/** "a:2,b:-3" -> { a: 2, b: -3 } */
function readValues(text) {
  const pairs = text
    .split(',')
    .map(pair => pair.split(':'))
    .filter(([key, x]) => key && x && Number.isFinite(+x));
  return Object.fromEntries(pairs.map(([key, x]) => [key, +x]));
}

export function render(view, { state, keep, leaving }) {
  const DEFAULTS = { formula: 'tanh(a*b + c) + a**2', values: 'a:0.5,b:-2,c:1.6', step: 0 };
  let formula = state.get('formula') ?? DEFAULTS.formula;
  let at = numeric(state.get('step'), { min: 0, max: 1000, value: 0, step: 1 });
  let found, timer;
  const values = { ...readValues(DEFAULTS.values), ...readValues(state.get('values') ?? '') };

  const field = el('input', {
    type: 'text',
    id: 'formula',
    class: 'formula',
    autocomplete: 'off',
    spellcheck: 'false',
    maxlength: '1000',
  });
  const knobs = el('div', { class: 'knobs' });
  const picture = el('div');
  const said = el('figcaption', { 'aria-live': 'polite' });
  const sum = el('div');
  const leaves = el('div');
  const where = el('output', { for: 'step' });
  const track = el('input', { type: 'range', id: 'step', min: '0', step: '1', 'aria-label': 'Step' });
  const play = el('button', { type: 'button', onclick: () => (timer ? pause() : run()) }, 'Play');

  const load = newest(async signal => {
    const names = namesOf(formula);
    found = await ask(
      'api/graph',
      { expression: formula, values: Object.fromEntries(names.map(one => [one, values[one]])) },
      signal,
    );
    draw();
  }, leaving);

  const computed = () =>
    found.nodes.map((node, i) => i).filter(i => found.nodes[i].kind !== 'leaf' || found.nodes.length === 1);

  function draw() {
    if (!found) return;
    const forward = computed();
    const total = forward.length + 1 + found.backward.length;
    at = Math.min(at, total);
    const back = at - forward.length - 1; // how many boxes have passed their gradient on; -1 while forward
    const moment = { forward, at, back, known: new Set(forward.slice(0, at)), grads: gradients(back) };
    track.max = total;
    track.value = at;
    where.textContent =
      back < 0 ? `forward ${at} of ${forward.length}` : `backward ${back} of ${found.backward.length}`;
    picture.replaceChildren(graph(found, moment, formula));
    follow();
    explain(moment);
    const kept = namesOf(formula)
      .map(one => `${one}:${values[one]}`)
      .join(',');
    keep({ formula, values: kept, step: at }, DEFAULTS);
  }

  /** Where the graph is wider than its box, keep the box at work in sight. */
  function follow() {
    const [box, working] = [picture.parentElement, picture.querySelector('.node.working rect')];
    if (working) box.scrollLeft = working.x.baseVal.value + working.width.baseVal.value / 2 - box.clientWidth / 2;
  }

  /** What stands in each box's gradient after so many steps back; null before the first. */
  function gradients(back) {
    if (back < 0) return null;
    const grads = found.nodes.map((_, i) => (i === found.nodes.length - 1 ? 1 : 0));
    for (const step of found.backward.slice(0, back)) for (const add of step.adds) grads[add.source] = add.total;
    return grads;
  }

  /** The expression that a box stands for, no longer than a label. */
  function spelled(i) {
    const node = found.nodes[i];
    return node.inputs.length ? applied(node, node.inputs.map(spelled)) : node.title;
  }

  function explain({ forward, back, grads }) {
    const step = found.backward[back - 1];
    if (back < 0) said.textContent = at ? forwards(forward[at - 1]) : 'The leaves on the left are given: take a step.';
    else if (back === 0)
      said.textContent =
        'Backward begins: the result changes as much as itself, so that its gradient is 1; all others are 0 so far.';
    else said.textContent = backwards(step);
    sum.replaceChildren(...(step ? [additions(step)] : []));
    leaves.replaceChildren(...(back === found.backward.length ? [summary(grads)] : []));
  }

  function forwards(i) {
    const node = found.nodes[i];
    const inputs = node.inputs.map(j => number(found.nodes[j].value));
    return (
      `Forward: ${spelled(i)} = ${applied(node, inputs)} = ${number(node.value)}. The number on an arrow is the ` +
      'local derivative: how much the box ahead changes for a small change of the box behind.'
    );
  }

  function backwards({ node, gradient }) {
    return (
      `Backward: ${spelled(node)} passes its gradient ${number(gradient)} on to each box it was computed from, ` +
      'times the local derivative. Where a value is used twice, its gradients add up.'
    );
  }

  function additions(step) {
    return el(
      'table',
      { class: 'figures' },
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          ...['gradient of', 'was', '', 'local × gradient', '', 'is now'].map(head =>
            head ? el('th', { scope: 'col' }, head) : el('td'),
          ),
        ),
      ),
      el(
        'tbody',
        {},
        ...step.adds.map(add =>
          el(
            'tr',
            {},
            el('th', { scope: 'row' }, spelled(add.source)),
            el('td', {}, number(add.total - add.amount)),
            el('td', {}, '+'),
            el('td', {}, `${number(add.local)} × ${number(step.gradient)}`),
            el('td', {}, '='),
            el('td', {}, el('b', {}, number(add.total))),
          ),
        ),
      ),
    );
  }

  function summary(grads) {
    const names = namesOf(formula);
    const rows = found.nodes
      .map((node, i) => [node, grads[i]])
      .filter(([node]) => node.kind === 'leaf' && names.includes(node.title));
    return el(
      'table',
      { class: 'figures' },
      el(
        'caption',
        {},
        'What it says: a leaf that rises by 0.01 moves the result by about a hundredth of its gradient.',
      ),
      el(
        'thead',
        {},
        el('tr', {}, ...['leaf', 'value', 'gradient', 'result moves by'].map(head => el('th', { scope: 'col' }, head))),
      ),
      el(
        'tbody',
        {},
        ...rows.map(([node, grad]) =>
          el(
            'tr',
            {},
            el('th', { scope: 'row' }, node.title),
            el('td', {}, number(node.value)),
            el('td', {}, number(grad)),
            el('td', {}, number(0.01 * grad)),
          ),
        ),
      ),
    );
  }

  function knob(one) {
    values[one] ??= 1;
    const change = x => {
      values[one] = x;
      load();
    };
    const { row, input, show } = slider(`range-${one}`, one, {
      min: -5,
      max: 5,
      step: 0.1,
      value: values[one],
      words: () => '',
      onchange: x => {
        exact.value = x;
        change(x);
      },
    });
    const exact = el('input', { type: 'number', step: 'any', 'aria-label': `${one}, exactly` });
    exact.value = values[one];
    exact.addEventListener('input', () => {
      if (exact.value !== '' && Number.isFinite(+exact.value)) {
        input.value = exact.value;
        show();
        change(+exact.value);
      }
    });
    row.append(exact);
    return row;
  }

  function step(by) {
    at = Math.max(0, Math.min(+track.max, at + by));
    draw();
  }

  function pause() {
    clearInterval(timer);
    timer = undefined;
    play.textContent = 'Play';
  }

  function run() {
    if (at >= +track.max) at = 0;
    play.textContent = 'Pause';
    timer = setInterval(() => {
      if (at < +track.max) step(1);
      else pause();
    }, PACE_MS);
    step(1);
  }

  leaving.addEventListener('abort', pause);
  track.addEventListener('input', () => {
    pause();
    at = +track.value;
    draw();
  });
  field.value = formula;
  field.addEventListener('input', () => {
    pause();
    formula = field.value;
    knobs.replaceChildren(...namesOf(formula).map(knob));
    load();
  });
  knobs.append(...namesOf(formula).map(knob));
  const button = (words, press, kind) =>
    el(
      'button',
      {
        type: 'button',
        class: kind,
        onclick: () => {
          pause();
          press();
        },
      },
      words,
    );
  view.append(
    el('div', { class: 'field' }, el('label', { for: 'formula' }, 'Formula'), field),
    knobs,
    figure(
      'The graph',
      said,
      el(
        'div',
        { class: 'row steps' },
        button('Start', () => step(-1e9)),
        button('◂ Back', () => step(-1)),
        button('Step ▸', () => step(1), 'primary'),
        play,
        button('End', () => step(1e9)),
        track,
        where,
      ),
      scrolling('Graph of the formula', picture),
    ),
    el('div', { class: 'outcome' }, sum, leaves),
  );
  load();
}

/** An operation with its inputs written in, cut to the length of a line: 2 × −3, tanh(4), (a + b)**2. */
function applied({ title, op }, inputs) {
  const sign = op || title;
  const inner = inputs.map(text =>
    sign !== '+' && /[ −]/.test(text) && !/^[\p{L}\d]+\([^()]*\)$/u.test(text) ? `(${text})` : text,
  );
  const text =
    inputs.length === 2 && '+-*/'.includes(sign)
      ? inner.join(` ${signed(sign)} `)
      : /^\p{L}/u.test(sign)
        ? `${sign}(${inputs.join(', ')})`
        : `${inner.join(', ')}${signed(sign)}`;
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
