// Texts as labels and numbers as words.

export { number, percent } from '../../../lookahead/report/words.js';

/** @type {Record<string, string>} */ const SIGNS = { '\n': '⏎', '\t': '⇥', '\x7f': '␡' };
const HIDING = /[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]/; // marks that would reorder or hide their neighbours

/** The text with line breaks, tabs, control characters and such marks made visible. */
export function visible(/** @type {string} */ text) {
  return text.replace(/[^ -~]/g, (letter) => {
    const code = letter.charCodeAt(0);
    return SIGNS[letter] || (code < 32 ? String.fromCharCode(0x2400 + code) : HIDING.test(letter) ? '⟨' + code.toString(16) + '⟩' : letter);
  });
}

/** A token as a label: spaces at its ends made visible, many of them as their number (␣×12), a long one cut to `most` letters. */
export function label(/** @type {string} */ text, most = 16) {
  if (text === '') return '∅';
  const letters = [...visible(text).replace(/^ +| +$/g, blanks)];
  return letters.slice(0, letters.length > most ? most - 1 : most).join('') + (letters.length > most ? '…' : '');
}

const FEW = 4; // spaces that are shown one by one
const blanks = (/** @type {string} */ { length }) => (length > FEW ? '␣×' + length : '␣'.repeat(length));

/** The text that a label shows: labels can be searched for. */
export const unlabel = (/** @type {string} */ text) => text.replace(/␣×(\d{1,3})/g, (_, count) => ' '.repeat(count)).replace(/␣/g, ' ').replace(/⏎/g, '\n').replace(/⇥/g, '\t');

/** The width of a label in cells of a monospace font (wide scripts and emoji take two). */
export const cells = (/** @type {string} */ text) => [...text].reduce((width, letter) => width + (letter >= '\u2e80' ? 2 : 1), 0);

/** @param {number} count @param {string} noun @param {string} [more] its plural, where that is not noun + s */
export const plural = (count, noun, more) => count + ' ' + (count === 1 ? noun : more || noun + 's');

export const passes = (/** @type {number} */ count) => plural(count, 'pass', 'passes');

/** @param {number} place 1 for the first */
export const ordinal = (place) => place + ((place % 100 > 10 && place % 100 < 14) ? 'th' : ['th', 'st', 'nd', 'rd'][place % 10] || 'th');

export const clock = (/** @type {number} */ seconds) => (seconds < 0.1 ? (1000 * seconds).toFixed(0) + ' ms' : seconds.toFixed(2) + ' s');
