// Texts as labels and numbers as words.

/** The text with line breaks, tabs, control characters, and marks that would reorder or hide their neighbours, made visible. */
export function visible(/** @type {string} */ text) {
  let out = '';
  for (const letter of text) {
    const code = /** @type {number} */ (letter.codePointAt(0));
    if (letter === '\n') out += '⏎';
    else if (letter === '\t') out += '⇥';
    else if (code < 32) out += String.fromCodePoint(0x2400 + code);
    else if (code === 127) out += '␡';
    else if ((code >= 0x200b && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code === 0xfeff) out += '⟨' + code.toString(16) + '⟩';
    else out += letter;
  }
  return out;
}

/** A token as a label: spaces at its ends made visible, a long one cut to `most` letters. */
export function label(/** @type {string} */ text, most = 16) {
  if (text === '') return '∅';
  const shown = visible(text).replace(/^ +| +$/g, (blanks) => '␣'.repeat(blanks.length));
  const letters = [...shown];
  return letters.length > most ? letters.slice(0, most - 1).join('') + '…' : shown;
}

/** The text that a label shows: labels can be searched for. */
export const unlabel = (/** @type {string} */ text) => text.replace(/␣/g, ' ').replace(/⏎/g, '\n').replace(/⇥/g, '\t');

/** The width of a label in cells of a monospace font (wide scripts and emoji take two). */
export function cells(/** @type {string} */ text) {
  let width = 0;
  for (const letter of text) width += /** @type {number} */ (letter.codePointAt(0)) >= 0x2e80 ? 2 : 1;
  return width;
}

/** @param {number} share 0 to 1 */
export const percent = (share) => (share > 0 && share < 0.01 ? '< 1' : String(Math.round(100 * share))) + ' %';

/** @param {number} count @param {string} noun @param {string} [more] its plural, where that is not noun + s */
export const plural = (count, noun, more) => count + ' ' + (count === 1 ? noun : more || noun + 's');

export const passes = (/** @type {number} */ count) => plural(count, 'pass', 'passes');

/** @param {number} place 1 for the first */
export const ordinal = (place) => place + ((place % 100 > 10 && place % 100 < 14) ? 'th' : ['th', 'st', 'nd', 'rd'][place % 10] || 'th');

export function number(/** @type {number | null | undefined} */ value, digits = 2) {
  if (value === null || value === undefined || !isFinite(value)) return '–';
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toFixed(digits);
}

export const clock = (/** @type {number} */ seconds) => (seconds < 0.1 ? (1000 * seconds).toFixed(0) + ' ms' : seconds.toFixed(2) + ' s');
