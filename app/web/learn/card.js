// A chapter as a card beside the stage: its text and its question, opened from the "?" of a pane that it explains.

import { make, on } from '../lib/dom.js';
import { CHAPTERS } from './chapters.js';
import { makeProgress } from './progress.js';
import { questionOf } from './question.js';

/** @import { Chapter } from './types' */

const PHONE = 700, EDGE = 16, GAP = 6, LOWEST = 220; // pixels

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
      on(button, 'click', () => open(chapter, /** @type {HTMLElement} */ (pane)));
      place.append(button);
    }
  }

  function open(/** @type {Chapter} */ chapter, /** @type {HTMLElement} */ pane) {
    card?.remove();
    card = cardOf(chapter, () => progress.note(chapter.slug, 'right'));
    box.append(card);
    card.showPopover(); // closed by Escape or a click elsewhere
    putBeside(card, pane);
    card.focus();
  }
}

/** Puts a card beside the pane that it explains, or below it or in a corner, where it covers least of it, of the bar and of the sentence. */
function putBeside(/** @type {HTMLElement} */ card, /** @type {HTMLElement} */ pane) {
  const zoom = card.currentCSSZoom || 1, run = document.querySelector('#run')?.getBoundingClientRect(), place = pane.getBoundingClientRect(), { top: over, bottom: under } = place;
  if (innerWidth <= PHONE) { // as wide as the window: above the pane or below it
    const from = run ? run.bottom + GAP : 0, above = over - GAP - from, below = innerHeight - under - GAP;
    return void Object.assign(card.style, { inset: above > below ? from / zoom + 'px 0 auto 0' : 'auto 0 0 0', maxHeight: Math.max(LOWEST, above, below) / zoom + 'px' });
  }
  const others = ['#ask', '#sentence'].map((name) => document.querySelector(name)?.getBoundingClientRect()).filter((other) => !!other);
  const free = innerHeight - Math.max(0, ...others.map(({ bottom }) => bottom)) - GAP - EDGE;
  card.style.maxHeight = Math.max(LOWEST, free) / zoom + 'px'; // a longer text scrolls
  const { width, height } = card.getBoundingClientRect();
  const right = innerWidth - width - EDGE, low = innerHeight - height - EDGE;
  const across = (/** @type {number} */ at) => Math.max(EDGE, Math.min(right, at)), level = Math.max(EDGE, Math.min(low, over));
  const cost = (/** @type {number[]} */ [left, top]) => [place, place, ...others].reduce((sum, other) => sum + shared(left, top, width, height, other), 0);
  const [left, top] = [[across(place.left - width - GAP), level], [across(place.right + GAP), level], [across(place.left), Math.max(EDGE, Math.min(low, under + GAP))], [right, low], [EDGE, low]]
    .reduce((best, other) => (cost(other) < cost(best) ? other : best));
  Object.assign(card.style, { inset: 'auto', left: left / zoom + 'px', top: top / zoom + 'px' });
}

/** The area in which a box and a rectangle cover each other. @param {number} left @param {number} top @param {number} width @param {number} height @param {DOMRect} other */
function shared(left, top, width, height, other) {
  const across = Math.min(left + width, other.right) - Math.max(left, other.left), down = Math.min(top + height, other.bottom) - Math.max(top, other.top);
  return Math.max(0, across) * Math.max(0, down);
}

/** @param {Chapter} chapter @param {() => void} right called when its question was answered */
function cardOf(chapter, right) {
  const title = make('h2', {}, CHAPTERS.indexOf(chapter) + 1 + ' · ' + chapter.title);
  const close = make('button', { type: 'button', class: 'link', 'aria-label': 'Close' }, '✕');
  const link = make('a', { href: addressOf(chapter) }, 'Try it in the course ›');
  const head = make('div', { class: 'chapter-card-head' }, title, close);
  const card = make('aside', { class: 'chapter-card', popover: 'auto', tabindex: -1, 'aria-label': chapter.title, 'data-card': chapter.slug }, head, ...(chapter.signs ? [make('p', { class: 'signs' }, chapter.signs)] : []), ...chapter.text.map((words) => make('p', {}, words)), questionOf(chapter, right), link);
  on(close, 'click', () => card.hidePopover());
  return card;
}
