// The draft tree after a typed text: best first, as wide as the slider says.

import { asker } from '../../lib/asker.js';
import { make, on, press, put, within } from '../../lib/dom.js';
import { label, percent, plural } from '../../lib/text.js';
import { marks, slider, textField, tokenChoice } from '../fields.js';
import { drawGrams, picture } from '../grams.js';

/** @import { Drafted, Lesson } from '../types' */

/** Its draft grows deeper first, then beside. */
const TEXT = 'the old cat slept on the mat. the old cat slept on the sofa. the old dog ran off. now the old';
const WIDEST = 16;

export function mount(/** @type {HTMLElement} */ box, /** @type {Lesson} */ lesson) {
  let tokens = 'words', width = 2, shown = false;
  /** @type {number | null} */ let told = null; // the guess that is explained; null for the last one
  /** @type {Drafted | null} */ let drawn = null;
  const field = textField('Text so far', TEXT, look, { rows: 2, 'data-text': '' });
  const wide = slider('Width', { min: 1, max: WIDEST, value: width }, (value) => { width = value; look(); }, (value) => plural(value, 'token'));
  const svg = picture('Draft tree, nodes in the order in which they joined'), says = make('p', { class: 'says', role: 'status', 'data-says': '' });
  const canvas = make('div', { class: 'canvas grams', tabindex: 0, role: 'region', 'aria-label': 'Draft tree' }, svg);
  const signs = marks(), next = make('p', { class: 'hint', 'data-next-best': '', role: 'status' }), why = make('p', { class: 'hint', 'data-why': '' });
  const reveal = press('Show what joins next', () => {
    if (shown) { width += 1; wide.set(width); return look(); }
    shown = true;
    told = null;
    drawNow();
  }, { 'data-reveal': '' });
  box.append(field.element, make('div', { class: 'controls' }, wide.element, reveal, tokenChoice((value) => { tokens = value; look(); })), canvas, says, why, next, signs.element);

  /** @type {ReturnType<typeof asker<{ text: string, tokens: string, width: number }, Drafted>>} */
  const ask = asker((question) => lesson.ask('draft', question), (answer, question) => {
    if (answer.error) { drawn = null; svg.replaceChildren(); put(says, answer.error); put(next, ''); put(why, ''); reveal.disabled = true; return; }
    drawn = answer;
    show(answer, question);
  });

  function look() {
    shown = false;
    told = null;
    ask({ text: field.field.value, tokens, width });
  }

  function show(/** @type {Drafted} */ draft, /** @type {{ text: string, tokens: string, width: number }} */ question) {
    drawNow();
    signs.show(draft.text);
    put(says, draft.p.length > 1 ? 'Expected from this pass: ' + draft.expected.toFixed(2) + ' tokens (1 of the model’s own + the sum of all probabilities).'
      : 'The root alone: a pass as in plain decoding, 1 token.');
    compare(draft, question);
  }

  /** The smallest width with two branches is found where one token less has only one. */
  async function compare(/** @type {Drafted} */ draft, /** @type {{ text: string, tokens: string, width: number }} */ question) {
    if (draft.branches < 2 || draft.p.length < question.width) return;
    const less = await /** @type {ReturnType<typeof lesson.ask<Drafted>>} */ (lesson.ask('draft', { ...question, width: question.width - 1 }));
    if (drawn !== draft || less.error || less.branches > 1) return;
    lesson.done('At ' + question.width + ' tokens a second branch joins: “' + label(draft.text.at(-1) ?? '') + '” (' + percent(draft.p.at(-1) ?? 0) + '), more probable than a longer first one.');
  }

  function drawNow() {
    if (!drawn) return;
    const { text, parent, p, best } = drawn;
    /** What a guess adds: its probability if all before it are right. */
    const factor = (/** @type {number} */ own, /** @type {number} */ above) => '× ' + percent(above ? own / p[above] : own);
    const grams = text.map((piece, i) => ({
      text: piece, parent: parent[i], small: i ? '  ' + percent(p[i]) : '', factor: i ? factor(p[i], parent[i]) : '', kind: i ? (i === text.length - 1 ? 'new' : '') : 'root',
      says: i ? 'number ' + i + ', ' + percent(p[i]) : 'the last written token',
    }));
    if (best && shown) grams.push({ text: best.text, parent: best.parent, small: '  ' + percent(best.probability), factor: factor(best.probability, best.parent), kind: 'ghost', says: 'next to join' });
    reveal.disabled = !best || (shown && width >= WIDEST);
    put(reveal, shown ? 'Let it join' : 'Show what joins next');
    explain();
    put(next, !best ? (p.length < width ? 'The Trie knows nothing more here.' : '') : shown ? 'Dashed: the next to join, “' + label(best.text) + '”. Press again, and it does.' : 'Which guess joins next: one deeper, or one beside?');
    drawGrams(svg, grams);
  }

  /** Says where the factor of the guess that is pointed at is from, or of the last one. */
  function explain() {
    if (!drawn) return;
    const { text, parent, p, best, why: reasons } = drawn, last = best && shown ? text.length : text.length - 1, at = Math.min(told ?? last, last);
    const guess = at < text.length ? { text: text[at], p: p[at], parent: parent[at] } : best && { text: best.text, p: best.probability, parent: best.parent };
    put(why, guess ? whyOf(guess.text, guess.p / (p[guess.parent] ?? 1), reasons[at]) : '');
  }

  on(canvas, 'mouseover focusin click', (event) => {
    const gram = Number(within(event, '[data-gram]')?.dataset.gram);
    if (gram > 0) { told = gram; explain(); }
  });
  new ResizeObserver(drawNow).observe(canvas);
  look();
}

/** Where the factor of a guess is from: counts, and how sure the Trie is. @param {string} text @param {number} factor @param {Drafted['why'][number] | undefined} reason */
function whyOf(text, factor, reason) {
  if (!reason) return '';
  const { times, of, length, sure, longer } = reason;
  const after = length ? ' after the ' + (length === 1 ? 'token' : length + ' tokens') + ' before it' : ' after anything';
  return 'Why × ' + percent(factor) + ' for “' + label(text) + '”? It came next ' + times + ' of ' + plural(of, 'time') + after + ', × ' + percent(sure) + ': '
    + (longer ? 'what longer matches left for this shorter one.' : 'how sure the Trie is after a match like this. The rest is kept for other tokens, such as those never seen here.');
}
