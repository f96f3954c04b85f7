// The document: elements, text into them (never as markup), the pointer and keys among the things in a box, files to save.

/** @import { Context } from '../types' */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Fills a box with the fixed markup of a pane. Nothing that comes from a run may be part of it.
 * @param {HTMLElement} box
 * @param {string} markup
 * @param {string} name class of the pane
 */
export function fill(box, markup, name) {
  box.classList.add(name);
  box.innerHTML = markup;
}

/**
 * The element in a box that a selector names; there must be one.
 * @template {Element} [E=HTMLElement]
 * @param {ParentNode} box
 * @param {string} selector
 * @returns {E}
 */
export function one(box, selector) {
  const found = box.querySelector(selector);
  if (!found) throw new Error('no ' + selector);
  return /** @type {E} */ (found);
}
/** @type {typeof one<HTMLInputElement>} */
export const input = one;
/** @type {typeof one<HTMLButtonElement>} */
export const button = one;

/** @param {ParentNode} box @param {string} selector @returns {HTMLElement[]} */
export const all = (box, selector) => Array.from(box.querySelectorAll(selector));

/** The element that an event happened in, or one around it, if the selector names it. @param {Event} event @param {string} selector @returns {HTMLElement | null} */
export const within = (event, selector) => (event.target instanceof Element ? event.target.closest(selector) : null);

/** Sets attributes of an element and appends to it. @template {Element} E @param {E} node @param {Record<string, any>} attributes @param {(string | Node)[]} content */
export function set(node, attributes, ...content) {
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  if (content.length) node.append(...content);
  return node;
}

/** @param {string} tag @param {Record<string, any>} [attributes] @param {(string | Node)[]} content */
export const make = (tag, attributes = {}, ...content) => set(document.createElement(tag), attributes, ...content);

/** An element of a picture. @param {string} tag @param {Record<string, any>} [attributes] @param {(string | Node)[]} content */
export const draw = (tag, attributes = {}, ...content) => set(document.createElementNS(SVG, tag), attributes, ...content);

/** @type {WeakMap<Node, string>} */
const said = new WeakMap();

/**
 * Sets the text of an element only where it differs: the browser would lay out an equal text once more.
 * @param {Node} node
 * @param {string} text
 */
export function put(node, text) {
  if (said.get(node) === text) return;
  said.set(node, text);
  node.textContent = text;
}

/** Sets an attribute only where it differs. @param {Element} node @param {string} name @param {string} value */
export function mark(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** @param {Element} box @param {string[]} kinds @param {(event: any) => void} hear @param {boolean} [passive] */
export function on(box, kinds, hear, passive) {
  for (const kind of kinds) box.addEventListener(kind, hear, passive ? { passive } : undefined);
}

/**
 * The draft nodes in a box can be pointed at and clicked.
 * @param {Element} box
 * @param {string} name of the attribute that says which node an element is
 * @param {Context} context
 */
export function pointable(box, name, context) {
  /** @param {(node: number) => void} use @returns {(event: Event) => void} */
  const withNode = (use) => (event) => { const found = within(event, '[' + name + ']'); if (found) use(Number(found.getAttribute(name))); };
  on(box, ['mouseover', 'focusin'], withNode((node) => context.point?.(node)));
  on(box, ['mouseleave'], () => context.point?.(null));
  on(box, ['click'], withNode((node) => context.pin?.(node)));
}

/**
 * Up and down move the focus among things, in reading order.
 * @template {Element} T
 * @param {T[]} things
 * @param {KeyboardEvent} event
 * @param {(thing: T) => void} focus
 */
export function moveAmong(things, event, focus) {
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const at = things.findIndex((thing) => thing === document.activeElement);
  if (!by || at < 0) return;
  event.preventDefault();
  focus(things[Math.max(0, Math.min(things.length - 1, at + by))]);
}

/**
 * Makes an element the one tab stop of its box, and focuses it.
 * @param {Element} box
 * @param {Element} next
 * @param {boolean} [redrawn] whether it takes the place of one that had the focus: then nothing scrolls
 */
export function focusIn(box, next, redrawn) {
  box.querySelectorAll('[tabindex="0"]').forEach((other) => other.setAttribute('tabindex', '-1'));
  next.setAttribute('tabindex', '0');
  /** @type {HTMLElement} */ (next).focus({ preventScroll: !!redrawn });
}

/** @param {KeyboardEvent} event */
export const presses = (event) => event.key === 'Enter' || event.key === ' ';

/** @param {string} name @param {string} text @param {string} type */
export function save(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = make('a', { download: name, href: address });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
