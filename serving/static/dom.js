// Elements, made and filled. What a model, a run or a corpus says only ever becomes a text node.

const SVG = 'http://www.w3.org/2000/svg';

/** An HTML element: `on...` listens, `style` is an object (the policy forbids the attribute), null and false are left
    out. */
export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same of SVG. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value == null) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'style') for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter(child => child != null && child !== false));
  return node;
}

/** A figure: what is drawn, and a sentence that says what it shows. */
export function figure(title, caption, ...drawn) {
  return el('figure', {}, el('h3', {}, title), ...drawn, caption);
}

/** A box that scrolls sideways by itself, so that the page never does; reached by Tab, so that arrow keys move it. */
export function scrolling(label, drawn, { tall = false } = {}) {
  return el(
    'div',
    { class: `scrolling${tall ? ' tall' : ''}`, tabindex: '0', role: 'region', 'aria-label': label },
    drawn,
  );
}

/** A labelled slider: { row, input, show }. `words` says a value as a reader would. */
export function slider(id, name, { min, max, step, value, words = String, hint = '', onchange }) {
  const output = el('output', { for: id }, words(value));
  const input = el('input', { type: 'range', id, min, max, step, 'aria-describedby': hint ? `${id}-hint` : null });
  input.value = value;
  const show = () => {
    output.textContent = words(+input.value);
  };
  input.addEventListener('input', () => {
    show();
    onchange(+input.value);
  });
  show();
  const row = el(
    'div',
    { class: 'slider' },
    el('label', { for: id }, name),
    output,
    input,
    hint && el('p', { class: 'hint', id: `${id}-hint` }, hint),
  );
  return { row, input, show };
}

/**
 * One Tab stop for many things: arrow keys go among the elements of `container` that carry data-row and data-column.
 * The one that had the focus last, or else the first, is what Tab reaches.
 */
export function roving(container) {
  const stops = () => [...container.querySelectorAll('[data-row]')];
  const place = node => [+node.dataset.row, +node.dataset.column];
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  container.addEventListener('keydown', event => {
    const at = event.target.closest('[data-row]');
    if (!at || event.ctrlKey || event.metaKey || event.altKey) return;
    const [row, column] = place(at);
    const same = stops().filter(node => place(node)[0] === row);
    let to = event.key === 'Home' ? same[0] : event.key === 'End' ? same.at(-1) : null;
    if (moves[event.key]) {
      const [down, right] = moves[event.key];
      to = container.querySelector(`[data-row="${row + down}"][data-column="${column + right}"]`);
      if (!to && down)
        to = stops()
          .filter(node => place(node)[0] === row + down)
          .at(-1);
    }
    if (!to) return;
    event.preventDefault();
    to.focus();
  });
  container.addEventListener('focusin', event => {
    const at = event.target.closest('[data-row]');
    if (at) for (const node of stops()) node.tabIndex = node === at ? 0 : -1;
  });
}

/** Draw again, and leave the focus on what stands at its place: keys `data-row`, `data-column`. */
export function redrawn(container, ...children) {
  const had = container.contains(document.activeElement) ? document.activeElement.closest('[data-row]') : null;
  container.replaceChildren(...children);
  if (had) container.querySelector(`[data-row="${had.dataset.row}"][data-column="${had.dataset.column}"]`)?.focus();
}
