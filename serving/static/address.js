// The state of a view lives in the address, `#next?text=em&temperature=0.7`, so that a link shows what its sender saw.

/** { view, state }: the name before `?` and what stands behind it. */
export function here() {
  const [view, query = ''] = location.hash.slice(1).split(/\?(.*)/s);
  return { view, state: new URLSearchParams(query) };
}

/** Keep a view's values in the address, those at their default left out. Adds no step to the history. */
export function keep(view, values, defaults = {}) {
  const kept = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (Array.isArray(value)) for (const one of value) kept.append(name, one);
    else if (!(name in defaults) || String(value) !== String(defaults[name])) kept.append(name, value);
  }
  const query = kept.toString();
  history.replaceState(null, '', `#${view}${query && `?${query}`}`);
  dispatchEvent(new Event('kept'));
}

/** What the address gives as a number, within bounds, on a step that the control has; the default where it gives
    none. */
export function numeric(given, { min, max, value, step }) {
  if (given == null || given.trim() === '' || !Number.isFinite(+given)) return value;
  const nearest = +(min + Math.round((+given - min) / step) * step).toFixed(6);
  return Math.min(max, Math.max(min, nearest));
}
