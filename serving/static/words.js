// Numbers and tokens as a reader sees them.

/** A share: one decimal, so that columns stand aligned. */
export function percent(p) {
  return p > 0 && p < 0.0005 ? '< 0.1\u2009%' : `${(100 * p).toFixed(1)}\u2009%`;
}

/** Four significant digits, a true minus, and no digit that says nothing. */
export function number(x) {
  if (x == null || !Number.isFinite(x)) return 'not finite';
  const text = Math.abs(x) >= 1e5 || (x && Math.abs(x) < 1e-3) ? x.toExponential(2) : String(+x.toPrecision(4));
  return text.replace('e+', 'e').replaceAll('-', '−');
}

export const count = n => n.toLocaleString('en');

const SEEN = { '\n': '↵', '\t': '⇥', ' ': '␣' };

/** Text in which nothing is invisible and nothing turns the line around: white space at the ends,
    control and format marks. */
export function visible(text) {
  return (
    text
      .replace(/^ +| +$|[\n\t]/g, found => [...found].map(ch => SEEN[ch]).join(''))
      .replace(
        /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu,
        ch => `⟨${ch.codePointAt(0).toString(16).padStart(4, '0')}⟩`,
      ) || '∅'
  );
}

/** The same of a text that has lines: where they end stays. */
export const lines = text =>
  text
    .split('\n')
    .map(line => line && visible(line))
    .join('\n');

/** What a token is called. */
export function called(token) {
  return token.ends ? 'end of text' : visible(token.name ?? token.text);
}

/** Special tokens and the end of a text are not text. */
export const isSpecial = token => Boolean(token.ends) || token.text === '' || /^<\|.+\|>$/.test(token.name);

/** “is” in a sentence. */
export const quoted = token => (isSpecial(token) ? called(token) : `“${called(token)}”`);

/** From this share on a shaded cell is so dark that its ink turns: there both inks reach a contrast
    of 4.5 in both schemes. */
export const STRONG = 0.75;
