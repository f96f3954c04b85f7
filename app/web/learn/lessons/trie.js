// The whole trie of two typed sentences, token by token, from empty.

import { asker } from '../../lib/asker.js';
import { make, press, put } from '../../lib/dom.js';
import { label, plural } from '../../lib/text.js';
import { joined, marks, slider, textField, tokenChoice } from '../fields.js';
import { drawGrams, picture } from '../grams.js';

/** @import { Lesson, TrieSoFar } from '../types' @typedef {{ texts: string[], tokens: string, read: number }} Question */

const SENTENCES = ['The cat sat on the mat.', 'The cat ran to the door.'];
const PACE = 700; // milliseconds per token that is played

export function mount(/** @type {HTMLElement} */ box, /** @type {Lesson} */ lesson) {
  let tokens = 'words', read = 0, most = 0;
  /** @type {TrieSoFar | null} */ let drawn = null;
  /** @type {number | undefined} */ let timer;
  const fields = SENTENCES.map((text, i) => textField(i ? 'Second' : 'First', text, () => go(0), { maxlength: 120, 'data-sentence-field': i }));
  const place = slider('Token', { min: 0, max: 1, value: 0 }, (value) => { stop(); go(value); }, (value) => value + ' of ' + most);
  const play = press('▶ Read', () => (timer ? stop() : start()), { 'data-read': '', class: 'primary' });
  const text = make('p', { class: 'tokens', 'data-tokens': '' }), says = make('p', { class: 'says', role: 'status', 'data-says': '' });
  const svg = picture('The trie so far'), canvas = make('div', { class: 'canvas grams', tabindex: 0, role: 'region', 'aria-label': 'The trie so far' }, svg);
  const signs = marks(), kind = tokenChoice((value) => { tokens = value; go(0); });
  box.append(
    make('div', { class: 'pair' }, ...fields.map(({ element }) => element)),
    make('div', { class: 'controls' }, play, press('‹', () => { stop(); go(read - 1); }, { 'aria-label': 'One token back' }), press('›', () => { stop(); go(read + 1); }, { 'aria-label': 'One token more', 'data-more': '' }), place.element, kind),
    text, canvas, says, signs.element,
  );

  /** @type {ReturnType<typeof asker<Question, TrieSoFar>>} */
  const ask = asker((question) => lesson.ask('trie', question), (answer, question) => {
    if (answer.error) { put(says, answer.error); stop(); return; }
    drawn = answer;
    show(answer, question);
  });

  function go(/** @type {number} */ to) {
    read = Math.max(0, Math.min(to, most || to));
    ask({ texts: fields.map(({ field }) => field.value), tokens, read });
  }

  function stop() {
    clearInterval(timer);
    timer = undefined;
    put(play, '▶ Read');
  }

  function start() {
    if (read >= most) go(0);
    put(play, '❚❚ Pause');
    timer = setInterval(() => (read >= most ? stop() : go(read + 1)), PACE);
  }

  /** @param {TrieSoFar} answer @param {Question} question the fields may hold other sentences by now */
  function show({ tokens: all, read: now, trie }, { texts, tokens: asked }) {
    most = all.length;
    read = Math.min(read, most); // the slider may be further on than this answer
    place.set(read, most);
    text.replaceChildren(...all.map(([piece, sentence], i) => {
      const state = i === now - 1 ? 'now' : i < now ? 'past' : 'ahead';
      return make('span', { class: 'token ' + state + (sentence && all[i - 1]?.[1] !== sentence ? ' second' : '') }, label(piece));
    }));
    drawNow(trie);
    signs.show(all.map(([piece]) => piece));
    put(says, now ? plural(trie.held, 'sequence') + '. This token added ' + trie.added + ' and counted ' + trie.again + ' again.' : 'The Trie is empty. Press ▶, or › for one token.');
    const path = sharedPath(trie, asked);
    const own = texts.some((text, i) => text.trim() !== SENTENCES[i]);
    if (own && now === most && path) lesson.done('“' + path.text + '” was read ' + path.count + ' times: one path, count ' + path.count + '.');
  }

  function drawNow(/** @type {TrieSoFar['trie']} */ trie) {
    const grams = trie.text.map((piece, i) => ({
      text: piece, parent: trie.parent[i], small: trie.count[i] > 1 && i ? ' ×' + trie.count[i] : '',
      kind: i ? (trie.new[i] ? 'new' : '') + (trie.count[i] > 1 ? ' often' : '') : 'root', says: i ? 'read ' + plural(trie.count[i], 'time') : '',
    }));
    drawGrams(svg, grams, (node) => trie.id[node]);
  }

  new ResizeObserver(() => { if (drawn) drawNow(drawn.trie); }).observe(canvas);
  go(0);
}

/** The longest sequence of several tokens that was read more than once, the most frequent of equal ones; null for none. @param {TrieSoFar['trie']} trie @param {string} tokens */
function sharedPath(trie, tokens) {
  const often = trie.count.map((_, i) => i).filter((i) => trie.depth[i] > 1 && trie.count[i] > 1);
  if (!often.length) return null;
  const best = often.reduce((a, b) => (trie.depth[b] > trie.depth[a] || (trie.depth[b] === trie.depth[a] && trie.count[b] > trie.count[a]) ? b : a));
  const words = [];
  for (let at = best; at > 0; at = trie.parent[at]) words.unshift(trie.text[at]);
  return { text: label(joined(words, tokens), 40), count: trie.count[best] };
}
