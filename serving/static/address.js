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
    for (const one of [value].flat())
      if (!(name in defaults) || String(one) !== String(defaults[name])) kept.append(name, one);
  }
  const query = kept.toString();
  history.replaceState(null, '', `#${view}${query && `?${query}`}`);
  dispatchEvent(new Event('kept'));
}

/** A number of the address within its bounds, or the default. */
export function numeric(state, name, { min, max, value }) {
  const given = state.get(name);
  return given === null || given.trim() === '' || !Number.isFinite(+given)
    ? value
    : Math.min(max, Math.max(min, +given));
}
