// The draft tree after a typed text: best first, as wide as the slider says.

import { asker } from '../../lib/asker.js';
import { make, put } from '../../lib/dom.js';
import { label, percent, plural } from '../../lib/text.js';
import { slider, textField, tokenChoice } from '../fields.js';
import { drawGrams, picture } from '../grams.js';

/** @import { Drafted, Lesson } from '../types' */

const TEXT = 'the cat sat on the mat, the cat sat on the sofa, and now the cat sat on the';
const WIDEST = 16;

export function mount(/** @type {HTMLElement} */ box, /** @type {Lesson} */ lesson) {
  let tokens = 'words', width = 2;
  /** @type {Drafted | null} */ let drawn = null;
  const field = textField('Text so far', TEXT, look, { rows: 2, 'data-text': '' });
  const wide = slider('Width', { min: 1, max: WIDEST, value: width }, (value) => { width = value; look(); }, (value) => plural(value, 'token'));
  const svg = picture('Draft tree, nodes in the order in which they joined'), says = make('p', { class: 'says', role: 'status', 'data-says': '' });
  const canvas = make('div', { class: 'canvas grams', tabindex: 0, role: 'region', 'aria-label': 'Draft tree' }, svg);
  const next = make('p', { class: 'hint', 'data-next-best': '' });
  box.append(field.element, make('div', { class: 'controls' }, wide.element, tokenChoice((value) => { tokens = value; look(); })), canvas, says, next);

  /** @type {ReturnType<typeof asker<{ text: string, tokens: string, width: number }, Drafted>>} */
  const ask = asker((question) => lesson.ask('draft', question), (answer, question) => {
    if (answer.error) { drawn = null; svg.replaceChildren(); put(says, answer.error); put(next, ''); return; }
    drawn = answer;
    show(answer, question);
  });

  function look() { ask({ text: field.field.value, tokens, width }); }

  function show(/** @type {Drafted} */ draft, /** @type {{ text: string, tokens: string, width: number }} */ question) {
    drawNow();
    put(says, draft.p.length > 1 ? 'Expected from this pass: ' + draft.expected.toFixed(1) + ' tokens (1 of the model’s own + the sum of all probabilities).'
      : 'The root alone: a pass as in plain decoding, 1 token.');
    put(next, draft.best ? 'Dashed: the next to join, “' + label(draft.best.text) + '”, is not part of the draft yet.' : draft.p.length < question.width ? 'The Trie knows nothing more here.' : '');
    compare(draft, question);
  }

  /** The smallest width with two branches is found where one token less has only one. */
  async function compare(/** @type {Drafted} */ draft, /** @type {{ text: string, tokens: string, width: number }} */ question) {
    if (draft.branches < 2 || draft.p.length < question.width) return;
    const less = await /** @type {ReturnType<typeof lesson.ask<Drafted>>} */ (lesson.ask('draft', { ...question, width: question.width - 1 }));
    if (!less.error && less.branches < 2) lesson.done('At ' + question.width + ' tokens a second branch is more probable than making the first one longer.');
  }

  function drawNow() {
    if (!drawn) return;
    const { text, parent, p } = drawn;
    const grams = text.map((piece, i) => ({
      text: piece, parent: parent[i], small: i ? '  ' + percent(p[i]) : '', kind: i ? (i === text.length - 1 ? 'new' : '') : 'root',
      says: i ? 'number ' + i + ', ' + percent(p[i]) : 'the last written token',
    }));
    const { best } = drawn;
    if (best) grams.push({ text: best.text, parent: best.parent, small: '  ' + percent(best.probability), kind: 'ghost', says: 'next to join' });
    drawGrams(svg, grams, Math.max(200, canvas.clientWidth - 26));
  }

  new ResizeObserver(drawNow).observe(canvas);
  look();
}
