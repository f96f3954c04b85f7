// A chapter as a card beside the stage: its text and its question, opened from the "?" of a pane that it explains.

import { make, on } from '../lib/dom.js';
import { CHAPTERS } from './chapters.js';
import { makeProgress } from './progress.js';
import { questionOf } from './question.js';

/** @import { Chapter } from './types' */

/** The address of a chapter, wherever the app is served. */
const addressOf = (/** @type {Chapter} */ { slug }) => new URL('../../../../learn/' + slug, import.meta.url).href;

/** Gives every pane in a box that a chapter explains a "?", which opens that chapter's card in the box. */
export function addCards(/** @type {HTMLElement} */ box) {
  const progress = makeProgress();
  /** @type {HTMLElement | null} */ let card = null;
  for (const chapter of CHAPTERS) {
    for (const name of chapter.panes) {
      const pane = box.querySelector('[data-pane="' + name + '"]'), place = pane?.querySelector('.head') || pane;
      if (!place) continue;
      const button = make('button', { type: 'button', class: 'explain', 'data-explain': chapter.slug, 'aria-label': 'What is this? ' + chapter.title, title: 'What is this?' }, '?');
      on(button, 'click', () => open(chapter));
      place.append(button);
    }
  }

  function open(/** @type {Chapter} */ chapter) {
    card?.remove();
    card = cardOf(chapter, () => progress.note(chapter.slug, 'right'));
    box.append(card);
    card.showPopover(); // closed by Escape or a click elsewhere
    card.focus();
  }
}

/** @param {Chapter} chapter @param {() => void} right called when its question was answered */
function cardOf(chapter, right) {
  const title = make('h2', {}, CHAPTERS.indexOf(chapter) + 1 + ' · ' + chapter.title);
  const close = make('button', { type: 'button', class: 'link', 'aria-label': 'Close' }, '✕');
  const link = make('a', { href: addressOf(chapter) }, 'Try it in the course ›');
  const head = make('div', { class: 'chapter-card-head' }, title, close);
  const card = make('aside', { class: 'chapter-card', popover: 'auto', tabindex: -1, 'aria-label': chapter.title, 'data-card': chapter.slug }, head, ...chapter.text.map((words) => make('p', {}, words)), questionOf(chapter.question, right), link);
  on(close, 'click', () => card.hidePopover());
  return card;
}
