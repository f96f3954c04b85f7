// Tokens on their way from one pane to another, when a phase of a step begins.

import { all, make } from './lib/dom.js';

/** @import { Phase } from './types' */

const MILLISECONDS = 220;
const MOST = 14; // at one time

/** What moves as a phase begins: from the text to the Trie, from there to the tree, to the mask, and back to the text. @param {ParentNode} stage @param {Phase} phase @returns {[from: Element, to: Element][]} */
export function movesOf(stage, phase) {
  const find = (/** @type {string} */ selector) => all(stage, selector), words = (/** @type {Element} */ node) => String(node.textContent).split(' ')[0];
  const nodes = find('[data-tree] [data-node]').slice(1), grams = find('[data-gram]'), suffix = find('.match .suffix');
  if (phase === 'retrieve') return pairs(find('[data-ribbon] .read').slice(-suffix.length), (_, i) => suffix[i]);
  if (phase === 'verify') return pairs(nodes, (node) => find('[data-row="' + node.dataset.node + '"]')[0]);
  if (phase === 'accept') return pairs(nodes.filter((node) => node.dataset.status === 'accepted'), (_, i) => find('.now [data-place="' + i + '"]')[0]);
  return pairs(nodes, (node) => grams.find((gram) => words(gram) === words(node)) || grams[0]).map(([node, gram]) => [gram, node]);
}

/** @param {HTMLElement[]} things @param {(thing: HTMLElement, i: number) => Element | undefined} other @returns {[Element, Element][]} */
const pairs = (things, other) => things.slice(0, MOST).flatMap((thing, i) => { const found = other(thing, i); return found ? [[thing, found]] : []; });

/** Shows the moves: a copy of each token's text moves over the page. Nothing moves that is out of sight. */
export function fly(/** @type {[from: Element, to: Element][]} */ moves) {
  // Every place is read before anything is added.
  const all = moves.map(([thing, goal]) => ({ text: String(thing.textContent).slice(0, 12), from: thing.getBoundingClientRect(), to: goal.getBoundingClientRect() }));
  all.filter(({ from, to }) => seen(from) && seen(to)).forEach(({ text, from, to }) => {
    const copy = make('span', { class: 'flight', 'aria-hidden': 'true', style: `width:${from.width}px;height:${Math.min(30, from.height)}px` }, text);
    document.body.append(copy);
    const at = (/** @type {DOMRect} */ box) => 'translate(' + box.left + 'px,' + box.top + 'px)';
    copy.animate([{ transform: at(from), opacity: 0.9 }, { transform: at(to), opacity: 0.5 }], { duration: MILLISECONDS, easing: 'ease-in-out' }).onfinish = () => copy.remove();
  });
}

const seen = (/** @type {DOMRect} */ box) => box.width > 0 && box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
