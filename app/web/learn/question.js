// A question with answers to choose from; each answer is explained at once, right or wrong, and another may be tried.

import { make, on, within } from '../lib/dom.js';

/** @import { Question } from './types' */

/** The question as an element. @param {Question} question @param {() => void} right called when the right answer was chosen */
export function questionOf({ ask, options }, right) {
  const why = make('p', { class: 'verdict', role: 'status' });
  const answers = options.map(({ text }, i) => make('button', { type: 'button', class: 'answer', 'data-answer': i, 'aria-pressed': 'false' }, text));
  const box = make('div', { class: 'question', role: 'group', 'aria-label': 'Question' }, make('p', {}, make('b', {}, 'Question. '), ask), ...answers, why);
  on(box, 'click', (event) => {
    const chosen = within(event, '[data-answer]'), option = options[Number(chosen?.dataset.answer)];
    if (!chosen || !option) return;
    for (const answer of answers) answer.setAttribute('aria-pressed', String(answer === chosen));
    chosen.classList.add(option.right ? 'right' : 'wrong');
    why.textContent = (option.right ? '✓ ' : '✗ ') + option.why;
    why.className = 'verdict ' + (option.right ? 'right' : 'wrong');
    why.scrollIntoView({ block: 'nearest' }); // answers may end where the window does
    if (option.right) right();
  });
  return box;
}
