// The document: elements, text into them (never as markup), the pointer and keys among the things in a box, files to save.

import { make } from '../../../lookahead/report/dom.js';

export { draw, make, press, set } from '../../../lookahead/report/dom.js';

/** @import { Context, Source } from '../types' */

/** Fills a box with the fixed markup of a pane and names it by a class. Nothing that comes from a run may be part of it. */
export function fill(/** @type {HTMLElement} */ box, /** @type {string} */ markup, /** @type {string} */ name) {
  box.classList.add(name);
  box.innerHTML = markup;
}

/** The element in a box that a selector names; there must be one. @template {Element} [E=HTMLElement] @param {ParentNode} box @param {string} selector */
export function one(box, selector) {
  const found = box.querySelector(selector);
  if (!found) throw new Error('no ' + selector);
  return /** @type {E} */ (found);
}
/** @type {typeof one<HTMLInputElement>} */ export const input = one;
/** @type {typeof one<HTMLButtonElement>} */ export const button = one;

/** @param {ParentNode} box @param {string} selector @returns {HTMLElement[]} */
export const all = (box, selector) => Array.from(box.querySelectorAll(selector));

/** The element that an event happened in, or one around it, if the selector names it. @param {Event} event @param {string} selector @returns {HTMLElement | null} */
export const within = (event, selector) => (event.target instanceof Element ? event.target.closest(selector) : null);

/** @type {WeakMap<Node, string>} */ const said = new WeakMap();

/** Sets the text of an element only where it differs: the browser would lay out an equal text once more. */
export function put(/** @type {Node} */ node, /** @type {string} */ text) {
  if (said.get(node) === text) return;
  said.set(node, text);
  node.textContent = text;
}

/** Sets an attribute only where it differs. */
export function mark(/** @type {Element} */ node, /** @type {string} */ name, /** @type {string} */ value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** Hears several kinds of events, named in one text. @param {Element} box @param {string} kinds @param {(event: any) => void} hear @param {boolean} [passive] */
export function on(box, kinds, hear, passive = false) {
  for (const kind of kinds.split(' ')) box.addEventListener(kind, hear, { passive });
}

/** The draft nodes in a box can be pointed at and clicked; an attribute says which node an element is. */
export function pointable(/** @type {Element} */ box, /** @type {string} */ name, /** @type {Context} */ context) {
  const nodeOf = (/** @type {Event} */ event) => within(event, '[' + name + ']')?.getAttribute(name) ?? null;
  on(box, 'mouseover focusin', (event) => { if (nodeOf(event)) context.point?.(Number(nodeOf(event))); });
  on(box, 'mouseleave', () => context.point?.(null));
  on(box, 'click', (event) => { if (nodeOf(event)) context.pin?.(Number(nodeOf(event))); });
}

/** Up and down move the focus among things, in reading order. */
export function moveAmong(/** @type {HTMLElement[]} */ things, /** @type {KeyboardEvent} */ event, /** @type {(thing: HTMLElement) => void} */ focus) {
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const at = things.findIndex((thing) => thing === document.activeElement);
  if (!by || at < 0) return;
  event.preventDefault();
  focus(things[Math.max(0, Math.min(things.length - 1, at + by))]);
}

/** Makes an element the one tab stop of its box, and focuses it; nothing scrolls where it takes the place of a redrawn one. */
export function focusIn(/** @type {Element} */ box, /** @type {HTMLElement} */ next, /** @type {boolean} */ redrawn = false) {
  for (const other of all(box, '[tabindex="0"]')) other.tabIndex = -1;
  next.tabIndex = 0;
  next.focus({ preventScroll: redrawn });
}

export const presses = (/** @type {KeyboardEvent} */ event) => event.key === 'Enter' || event.key === ' ';

/** The style that gives the sign of a source its colour. @param {'color' | 'fill'} property @param {Source} source */
export const coloured = (property, { light, dark }) => property + ': light-dark(' + light + ', ' + dark + ')';

/** The sign of a source, in its colour. */
export const signOf = (/** @type {Source} */ source) => make('span', { style: coloured('color', source) }, source.symbol);

/** Saves a text, or a picture, as a file. */
export function save(/** @type {string} */ name, /** @type {string | Blob} */ content, /** @type {string} */ type) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = make('a', { download: name, href: address });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
