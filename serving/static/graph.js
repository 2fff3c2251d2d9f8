// The drawing of a graph: boxes and curves where the server's layout put them, and what is known at this moment.

import { svg } from './dom.js';
import { number } from './words.js';

const MARGIN = 14;

/** moment: which boxes are computed (known), the gradients so far (null while forward), and which box is at work. */
export function graph({ nodes, edges, backward, width, height }, { forward, at, back, known, grads }, formula) {
  const working = back < 0 ? forward[at - 1] : backward[back - 1]?.node;
  const size = { width: width + 2 * MARGIN, height: height + 2 * MARGIN };
  return svg(
    'svg',
    {
      class: 'graph',
      ...size,
      viewBox: `${-MARGIN} ${-MARGIN} ${size.width} ${size.height}`,
      role: 'img',
      'aria-label': `Graph of ${formula}, ${nodes.length} boxes`,
    },
    ...edges.flatMap(edge =>
      arrow(edge, { isWorking: edge.target === working, isKnown: back >= 0 || known.has(edge.target) }),
    ),
    ...nodes.map((node, i) =>
      box(node, {
        isWorking: i === working,
        isKnown: back >= 0 || node.kind === 'leaf' || known.has(i),
        grad: grads && grads[i],
        isLast: i === nodes.length - 1,
      }),
    ),
  );
}

/** Curves leave and arrive horizontally; between two of them the line is straight. */
function arrow({ curves, local }, { isWorking, isKnown }) {
  let d = '';
  for (const [[x0, y0], [x1, y1]] of curves) {
    const middle = (x0 + x1) / 2;
    d += `${d ? 'L' : 'M'}${x0} ${y0}C${middle} ${y0} ${middle} ${y1} ${x1} ${y1}`;
  }
  const [[x0, y0], [x1, y1]] = curves.at(-1);
  const state = `${isWorking ? ' working' : ''}${isKnown ? '' : ' unknown'}`;
  return [
    svg('path', { class: `edge${state}`, d }),
    isKnown &&
      svg(
        'text',
        { class: `slope${state}`, x: (x0 + x1) / 2, y: (y0 + y1) / 2 - 6, 'text-anchor': 'middle' },
        number(local),
      ),
  ];
}

function box({ title, op, kind, value, box: [left, top, right, bottom] }, { isWorking, isKnown, grad }) {
  const line = (label, x, row) => [
    svg('text', { class: 'label', x: left + 10, y: top + 38 + 17 * row }, label),
    svg('text', { class: `figure ${label}`, x: right - 10, y: top + 38 + 17 * row, 'text-anchor': 'end' }, x),
  ];
  return svg(
    'g',
    { class: `node ${kind}${isWorking ? ' working' : ''}${isKnown ? '' : ' unknown'}` },
    svg('rect', { x: left, y: top, width: right - left, height: bottom - top, rx: kind === 'leaf' ? 12 : 3 }),
    svg('text', { class: 'title', x: left + 10, y: top + 19 }, op ? `${title} = ${signed(op)}` : signed(title)),
    ...line('data', isKnown ? number(value) : '', 0),
    ...line('grad', grad == null ? '' : number(grad), 1),
  );
}

/** An operation as it is written by hand. */
export const signed = op => ({ '*': '×', '-': '−', '/': '÷' })[op] ?? op;
