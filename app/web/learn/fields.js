// The controls of the course's pictures: a text, a slider, a choice. Each calls `heard` with its new value.

import { choice as oneOf } from '../../../lookahead/report/dom.js';
import { make, on, put } from '../lib/dom.js';

/** A text with a label. @param {string} label @param {string} value @param {(text: string) => void} heard @param {Record<string, any>} [more] attributes */
export function textField(label, value, heard, more = {}) {
  const field = /** @type {HTMLTextAreaElement} */ (make('textarea', { rows: 1, spellcheck: 'false', autocapitalize: 'off', maxlength: 400, ...more }));
  field.value = value;
  on(field, 'input', () => heard(field.value));
  return { element: make('label', { class: 'field' }, make('span', {}, label), field), field };
}

/** A slider with a label and its value in words. @param {string} label @param {{ min: number, max: number, value: number }} range @param {(value: number) => void} heard @param {(value: number) => string} [say] */
export function slider(label, range, heard, say = String) {
  const field = /** @type {HTMLInputElement} */ (make('input', { type: 'range', step: 1, 'aria-label': label }));
  const out = make('output', {});
  const set = (/** @type {number} */ value, max = Number(field.max)) => {
    Object.assign(field, { min: String(range.min), max: String(max), value: String(value) });
    put(out, say(value));
    field.setAttribute('aria-valuetext', say(value));
  };
  set(range.value, range.max);
  on(field, 'input', () => { set(Number(field.value)); heard(Number(field.value)); });
  return { element: make('label', { class: 'slide' }, make('span', {}, label), field, out), field, set };
}

/** One of a few values, after its name. @param {string} label @param {Record<string, string>} names by value @param {string} value @param {(value: string) => void} heard */
export const choice = (label, names, value, heard) => make('span', { class: 'pick' }, make('span', {}, label), oneOf(label, names, value, heard));

/** Says what a token without letters is, where one is shown. */
export function marks() {
  const element = make('p', { class: 'hint', 'data-marks': '' });
  return { element, show: (/** @type {string[]} */ texts) => put(element, texts.includes('') ? '∅: a mark without letters of this tokenizer, such as “a capital follows” or “no space”. In a tree, a token reads as it does without such marks.' : '') };
}

/** Tokens as one text. @param {string[]} texts @param {string} tokens what they are, as in `tokenChoice` */
export const joined = (texts, tokens) => texts.join(tokens === 'words' ? ' ' : '');

/** What tokens typed text is cut into. @param {(tokens: string) => void} heard */
export const tokenChoice = (heard) => choice('Tokens', { words: 'words', characters: 'characters', model: 'the model’s' }, 'words', heard);
