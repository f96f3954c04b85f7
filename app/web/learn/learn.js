// The course's page: the chapter that the address names, its picture, its question, and the way to the others.

import { answerTo } from '../lib/asker.js';
import { all, make, one, put } from '../lib/dom.js';
import { readLink } from '../link.js';
import { hideParts } from '../present.js';
import { CHAPTERS, MINUTES } from './chapters.js';
import { makeProgress } from './progress.js';
import { questionOf } from './question.js';

/** @import { Answer } from '../types' @import { Chapter, Lesson, Picture } from './types' */

/** Parts of the page that `hide=` in the address can name. @type {Record<string, string>} */
const PARTS = { chapters: '.chapters', pages: '.top nav', tools: '.top button', text: '.text', task: '.task', question: '.asked', picture: '.picture', foot: '.course-foot' };

const TYPED = 'textarea, [contenteditable], input:not([type=range], [type=radio], [type=checkbox])', FIELDS = TYPED + ', input, select, [role=slider], .canvas';

const progress = makeProgress();
let query = location.search; // the theme, and what else a link says, stays
const named = location.pathname.match(/\/learn\/([^/]+)\/?$/)?.[1];
const at = Math.max(0, CHAPTERS.findIndex(({ slug }) => slug === named));
const chapter = CHAPTERS[at];
const root = location.pathname.replace(/\/learn(\/[^/]*)?\/?$/, '');

const addressOf = (/** @type {Chapter} */ { slug }) => root + '/learn/' + slug + query;

function showNavigation() {
  const items = CHAPTERS.map((one, i) => {
    const link = make('a', { href: addressOf(one), 'data-chapter': one.slug, ...(i === at ? { 'aria-current': 'step' } : {}) });
    link.append(make('span', { class: 'mark', 'aria-hidden': 'true' }, String(i + 1)), make('span', { class: 'name' }, one.title), make('span', { class: 'unseen' }));
    return make('li', {}, link);
  });
  one(document, '.chapters ol').append(...items);
  for (const link of all(document, 'a[data-page]')) link.setAttribute('href', link.getAttribute('href') + query);
  const [back, next] = [CHAPTERS[at - 1], CHAPTERS[at + 1]];
  showStep('[data-back]', back, back && '‹ ', back ? at + ' · ' + back.title : '');
  showStep('[data-next]', next, '', next ? at + 2 + ' · ' + next.title + ' ›' : 'Watch it live ›', next ? addressOf(next) : root + '/' + query);
  showProgress();
}

/** @param {string} selector @param {Chapter | undefined} to @param {string} sign @param {string} text @param {string} [address] */
function showStep(selector, to, sign, text, address = to && addressOf(to)) {
  const link = one(document, selector);
  if (!address) return link.classList.add('none');
  link.setAttribute('href', address);
  link.replaceChildren(sign || '', make('span', {}, text));
}

function showProgress() {
  for (const { slug } of CHAPTERS) {
    const link = one(document, '[data-chapter=' + slug + ']'), whole = progress.whole(slug);
    link.classList.toggle('whole', whole);
    link.classList.toggle('begun', progress.begun(slug) && !whole);
    put(one(link, '.unseen'), whole ? ', done' : '');
  }
  put(one(document, '[data-progress]'), at + 1 + ' of ' + CHAPTERS.length + ' · about ' + MINUTES + ' minutes in all');
}

/** Asks the server, wherever the app is served. @template T @param {string} name @param {object} question @returns {Promise<Answer<T>>} */
function ask(name, question) {
  const address = new URL('../../learn/ask/' + name, import.meta.url);
  const asked = fetch(address, { method: 'POST', body: JSON.stringify(question), headers: { 'Content-Type': 'application/json' } });
  return answerTo(asked.then((response) => response.json()));
}

/** Why there is no picture, in words. */
class Problem extends Error {}

/** @param {'task' | 'right'} what @param {string} [said] */
function note(what, said) {
  progress.note(chapter.slug, what, said);
  showProgress();
}

function showChapter() {
  document.title = at + 1 + ' · ' + chapter.title + ' · Learn · Lookahead';
  const noticed = make('p', { class: 'noticed', 'data-noticed': '', role: 'status' });
  const task = make('div', { class: 'task' }, make('p', {}, make('b', {}, 'Try it. '), chapter.task), noticed), known = progress.noticed(chapter.slug);
  if (known) put(noticed, '✓ ' + known);
  const text = make('div', { class: 'text' }, make('h1', {}, make('span', { class: 'count' }, at + 1 + ' · '), chapter.title), ...chapter.text.map((words) => make('p', {}, words)), task);
  const picture = make('section', { class: 'picture', 'data-picture': chapter.slug, 'aria-label': 'Picture to this chapter' });
  const asked = make('div', { class: 'asked' }, questionOf(chapter, () => note('right')));
  one(document, 'main').replaceChildren(text, picture, asked, one(document, '[data-leave]'));
  /** @type {Lesson} */ const lesson = {
    sources: JSON.parse(document.body.dataset.sources || '[]'),
    ask,
    async need(name) {
      const answer = await /** @type {ReturnType<typeof ask<any>>} */ (ask(name, {}));
      if (answer.error) throw new Problem(answer.error);
      return answer;
    },
    done(words) {
      put(noticed, '✓ ' + words);
      note('task', words);
    },
  };
  draw(picture, lesson);
}

/** A picture is a module of its own, loaded when its chapter is shown. */
async function draw(/** @type {HTMLElement} */ box, /** @type {Lesson} */ lesson) {
  try {
    const { mount } = /** @type {{ mount: Picture }} */ (await import('./lessons/' + chapter.slug + '.js'));
    await mount(box, lesson);
  } catch (error) {
    if (!(error instanceof Problem)) console.error(error);
    box.append(make('p', { class: 'hint' }, error instanceof Problem ? error.message : 'This picture could not be loaded. Reload the page.'));
  }
  box.dataset.drawn = '';
}

/** Large type without the page around it, also in the chapters that follow. */
function present(/** @type {boolean} */ on) {
  document.documentElement.classList.toggle('presenting', on);
  const presented = (/** @type {string} */ address) => {
    const url = new URL(address);
    if (on) url.searchParams.set('present', '1'); else url.searchParams.delete('present');
    return url.href;
  };
  for (const link of /** @type {HTMLAnchorElement[]} */ (all(document, 'a:not(.skip)[href]'))) link.href = presented(link.href);
  history.replaceState(history.state, '', presented(location.href));
  query = location.search;
}

/** Arrows turn to another chapter where nothing else uses them; when presented everywhere but in text, and the keys of a presenter's clicker do. */
function onKey(/** @type {KeyboardEvent} */ event) {
  if (event.key === 'Escape') present(false);
  const presented = document.documentElement.classList.contains('presenting'), turned = presented && { PageUp: -1, PageDown: 1 }[event.key];
  const by = turned || { ArrowLeft: -1, ArrowRight: 1 }[event.key], to = by && CHAPTERS[at + by];
  const used = !turned && event.target instanceof Element && event.target.closest(presented ? TYPED : FIELDS);
  if (!by || used || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (presented) { event.preventDefault(); event.stopPropagation(); } // a picture or slider has other uses for them
  if (to) location.assign(addressOf(to));
}

async function copyLink() {
  const told = one(document, '[data-told]'), button = one(document, '[data-copy]'), link = new URL(addressOf(chapter), location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    put(told, 'Link copied.');
    button.classList.add('copied');
  } catch {
    prompt('Copy this link:', link); // no permission, or no secure origin
  }
}

showNavigation();
showChapter();
const link = readLink(query);
hideParts(link.hide, PARTS);
if (link.present) present(true);
one(document, '[data-present]').addEventListener('click', () => present(true));
one(document, '[data-leave]').addEventListener('click', () => present(false));
document.addEventListener('keydown', onKey, { capture: true });
one(document, '[data-copy]').addEventListener('click', copyLink);
