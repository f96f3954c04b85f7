// A tree as large as its box allows: made smaller, to a bound; one that is wider still scrolls, with a sign.

import { on } from '../lib/dom.js';

const LEAST = 0.8, ON_PHONE = 1.1, PHONE = 860; // pixels; smaller on a phone, a picture's letters could not be read
const PADDING = 26;
const PRESENTED = 1.4; // times larger where a class looks on

/** @type {WeakSet<Element>} */ const heard = new WeakSet();

/** The size that a picture was drawn in, whatever it is shown in. */
const sizeOf = (/** @type {SVGElement} */ svg) => (svg.getAttribute('viewBox') ?? '0 0 0 0').split(' ').slice(2).map(Number);

/** Fits a picture, whose view box says its own size, into the canvas around it. @param {SVGElement} svg @param {number} [most] times its own size where there is room */
export function fit(svg, most = 1) {
  const canvas = /** @type {HTMLElement | null} */ (svg.closest('.canvas')), [width, height] = sizeOf(svg);
  if (!canvas?.clientWidth || !width) return;
  const larger = document.documentElement.classList.contains('presenting') ? PRESENTED : 1, room = canvas.clientWidth - PADDING;
  const tall = canvas.matches('.grams') ? Math.max(height, (canvas.clientHeight - PADDING) / canvas.querySelectorAll('svg').length) : Infinity; // others are as high as their tree
  const scale = Math.max(innerWidth > PHONE ? LEAST : ON_PHONE, Math.min(most * larger, room / width, tall / height));
  svg.style.width = scale * width + 'px';
  svg.style.height = scale * height + 'px';
  tell(canvas);
  if (!heard.has(canvas)) on(canvas, 'scroll', () => tell(canvas), true);
  heard.add(canvas);
}

/** Whether there is more than fits, and more to the right: the edge fades there. */
function tell(/** @type {HTMLElement} */ canvas) {
  canvas.classList.toggle('wider', canvas.scrollWidth > canvas.clientWidth + 1);
  canvas.classList.toggle('more', canvas.scrollLeft + canvas.clientWidth < canvas.scrollWidth - 3);
}

/** How many times as large as its own size a picture is shown. */
export const scaleOf = (/** @type {SVGElement} */ svg) => (parseFloat(svg.style.width) || sizeOf(svg)[0]) / sizeOf(svg)[0];
