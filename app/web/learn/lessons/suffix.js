// The longest ending of the typed text that it has had before, and what followed it there.

import { asker } from '../../lib/asker.js';
import { make, put } from '../../lib/dom.js';
import { label } from '../../lib/text.js';
import { joined, marks, textField, tokenChoice } from '../fields.js';
import { drawGrams, picture } from '../grams.js';

/** @import { Lesson, SuffixLevel, Suffixes } from '../types' */

const TEXT = 'the cat sat on the mat, the dog sat on the sofa, and then the cat';
const GOAL = 4;
const MOST_NEXT = 6;

export function mount(/** @type {HTMLElement} */ box, /** @type {Lesson} */ lesson) {
  let tokens = 'words';
  /** @type {Suffixes | null} */ let drawn = null;
  const field = textField('Text so far; go on at its end', TEXT, look, { rows: 2, 'data-text': '' });
  const text = make('p', { class: 'tokens', 'data-tokens': '' }), says = make('p', { class: 'says', role: 'status', 'data-says': '' });
  const signs = marks(), canvas = make('div', { class: 'canvas grams', tabindex: 0, role: 'region', 'aria-label': 'What followed before' });
  box.append(field.element, make('div', { class: 'controls' }, tokenChoice((value) => { tokens = value; look(); })), text, says, canvas, signs.element);

  /** @type {ReturnType<typeof asker<{ text: string, tokens: string }, Suffixes>>} */
  const ask = asker((question) => lesson.ask('suffix', question), (answer, question) => {
    if (answer.error) { drawn = null; text.replaceChildren(); canvas.replaceChildren(); put(says, answer.error); return; }
    drawn = answer;
    show(answer, question.tokens);
  });

  function look() { ask({ text: field.field.value, tokens }); }

  function show(/** @type {Suffixes} */ { tokens: all, levels }, /** @type {string} */ asked) {
    const longest = levels[0], length = longest?.length || 0, places = longest?.places || [];
    const inPlace = (/** @type {number} */ i) => places.some((end) => i >= end - length && i < end);
    text.replaceChildren(...all.map((piece, i) => {
      const kind = i >= all.length - length ? 'match' : places.includes(i) ? 'followed' : inPlace(i) ? 'place' : '';
      return make('span', { class: 'token ' + kind }, label(piece));
    }), make('span', { class: 'token caret', 'aria-label': 'the next token' }, '?'));
    const match = joined(all.slice(all.length - length), asked);
    put(says, length ? 'The ' + lastOf(length) + ' (“' + label(match, 40) + '”) ' + (length === 1 ? 'was' : 'were') + ' read ' + times(places.length) + ' before; then came ' + nextOf(longest) + '.'
      : 'The last token is new: nothing has followed it yet. No guess from a match.');
    drawNow();
    signs.show(all);
    if (length >= GOAL) lesson.done('The last ' + length + ' tokens were read before, and the Trie guesses “' + label(longest.next[0][0]) + '”.');
  }

  function drawNow() {
    if (!drawn) return;
    const { tokens: all, levels } = drawn;
    const pictures = levels.slice(0, 3).map((level) => picture('What followed the ' + lastOf(level.length)));
    canvas.replaceChildren(...pictures.map((svg, i) => {
      const level = levels[i];
      return make('div', { class: 'level', 'data-level': level.length }, make('p', { class: 'match' }, (i ? 'Then, after the ' : 'First, after the ') + lastOf(level.length)), svg);
    }));
    pictures.forEach((svg, i) => drawGrams(svg, gramsOf(all, levels[i]))); // there, each is fitted
  }

  new ResizeObserver(drawNow).observe(canvas);
  look();
}

/** The path of the suffix in the trie, and what is below it. */
function gramsOf(/** @type {string[]} */ tokens, /** @type {SuffixLevel} */ { length, next }) {
  const path = tokens.slice(tokens.length - length).map((text, i) => ({ text, parent: i, kind: 'match', small: '' }));
  const below = next.slice(0, MOST_NEXT).map(([text, count]) => ({ text, parent: length, small: ' ×' + count, kind: 'next', says: 'followed ' + times(count) }));
  return [{ text: '', parent: -1, kind: 'root', small: '' }, ...path, ...below];
}

const lastOf = (/** @type {number} */ length) => (length === 1 ? 'last token' : 'last ' + length + ' tokens');

const times = (/** @type {number} */ count) => (count === 1 ? 'once' : count + ' times');

const nextOf = (/** @type {SuffixLevel} */ { next }) => next.slice(0, 3).map(([text, count]) => '“' + label(text) + '” ' + times(count)).join(', ');
