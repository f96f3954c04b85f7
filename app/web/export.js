// A pane as a picture: its HTML inside an SVG with every style inlined, in the colours of the light page.

import { all, draw, save } from './lib/dom.js';

/** What makes up the look of an element. */
const STYLES = [
  'align-items', 'background-color', 'background-image', 'border-bottom', 'border-collapse', 'border-left', 'border-radius', 'border-right', 'border-top',
  'box-shadow', 'box-sizing', 'color', 'column-gap', 'display', 'fill', 'fill-opacity', 'flex', 'flex-direction', 'flex-wrap', 'font-family', 'font-size',
  'font-style', 'font-variant-numeric', 'font-weight', 'grid-column', 'grid-row', 'grid-template-columns', 'grid-template-rows', 'height', 'justify-content',
  'left', 'letter-spacing', 'line-height', 'list-style-type', 'margin-bottom', 'margin-left', 'margin-right', 'margin-top', 'max-width', 'opacity', 'outline',
  'overflow-wrap', 'padding-bottom', 'padding-left', 'padding-right', 'padding-top', 'position', 'right', 'row-gap', 'stroke', 'stroke-dasharray',
  'stroke-opacity', 'stroke-width', 'text-align', 'text-decoration', 'text-overflow', 'top', 'transform', 'transform-origin', 'unicode-bidi',
  'vertical-align', 'visibility', 'white-space', 'width', 'word-break',
];
const CONTROLS = 'button:not([data-keep]), select, input, label.button, [data-tools], .unseen, script, style';
const PADDING = 16;
const SLACK = 16; // a copy may be a little taller: scroll bars and fractions of a pixel
const SCALE = 2; // pixels of a PNG for one of the page
const MOST_PIXELS = 16000; // a side of a picture that every browser draws

/** Whether a picture has the colour of the page behind it. @typedef {'light' | 'transparent'} Ground */

/** A pane as the text of an SVG file. Boxes that scroll are drawn whole. @param {HTMLElement} pane @param {Ground} [ground] */
function toSvg(pane, ground = 'light') {
  return inLight(() => {
    const { copy, width, height } = inlined(pane), wide = width + 2 * PADDING, high = height + 2 * PADDING;
    const back = ground === 'light' ? [draw('rect', { width: '100%', height: '100%', fill: '#fff' })] : [];
    const inside = draw('foreignObject', { x: PADDING, y: PADDING, width, height }, copy);
    return new XMLSerializer().serializeToString(draw('svg', { width: wide, height: high, viewBox: '0 0 ' + wide + ' ' + high }, ...back, inside));
  });
}

/** A pane as a PNG. @param {HTMLElement} pane @param {Ground} [ground] @returns {Promise<Blob>} */
async function toPng(pane, ground = 'light') {
  const image = new Image();
  // A data address: a canvas that has drawn such an SVG from a blob's is not given out.
  image.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(toSvg(pane, ground));
  await image.decode();
  const canvas = document.createElement('canvas'), scale = Math.min(SCALE, MOST_PIXELS / Math.max(image.width, image.height));
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d')).drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('this browser makes no picture of a pane'))), 'image/png');
  });
}

/** Saves a pane under a name without its ending. @param {HTMLElement} pane @param {string} name @param {'svg' | 'png'} kind @param {Ground} [ground] */
export async function savePane(pane, name, kind, ground = 'light') {
  if (kind === 'svg') save(name + '.svg', toSvg(pane, ground), 'image/svg+xml');
  else save(name + '.png', await toPng(pane, ground), 'image/png');
}

/** Works while the page has the colours of its light look; nothing of that is painted. @template T @param {() => T} work @returns {T} */
function inLight(work) {
  const { classList } = document.body, dark = classList.contains('dark');
  classList.add('no-moves'); // a colour that moves from dark to light would be caught on its way
  classList.remove('dark');
  try { return work(); } finally {
    if (dark) classList.add('dark');
    void document.body.offsetHeight; // the dark look is there again before anything may move
    classList.remove('no-moves');
  }
}

/** A copy of a pane that needs no style sheet, without its controls, and its size. @param {HTMLElement} pane */
function inlined(pane) {
  const boxes = [pane, ...all(pane, '*')], style = pane.getAttribute('style');
  const wider = Math.max(0, ...boxes.map((box) => (getComputedStyle(box).overflowX === 'visible' ? 0 : box.scrollWidth - box.clientWidth)));
  const scrolled = boxes.filter((box) => box instanceof HTMLElement && getComputedStyle(box).overflowY !== 'visible');
  try {
    Object.assign(pane.style, { width: pane.getBoundingClientRect().width + wider + 'px', maxWidth: 'none' });
    for (const box of [...scrolled, pane]) box.classList.add('unrolled');
    const { offsetWidth: width, offsetHeight: height } = pane;
    const copy = /** @type {HTMLElement} */ (pane.cloneNode(true)), copies = [copy, ...all(copy, '*')];
    boxes.forEach((box, i) => inline(box, copies[i]));
    for (const control of all(copy, CONTROLS)) control.remove();
    copy.setAttribute('xmlns', 'http://www.w3.org/1999/xhtml');
    Object.assign(copy.style, { margin: '0', position: 'relative', left: '0', top: '0', height: 'auto' });
    return { copy, width, height: height + SLACK };
  } finally {
    for (const box of [...scrolled, pane]) box.classList.remove('unrolled');
    if (style === null) pane.removeAttribute('style'); else pane.setAttribute('style', style);
  }
}

/** Writes the look of an element into its copy. */
function inline(/** @type {Element} */ original, /** @type {HTMLElement} */ copy) {
  const style = getComputedStyle(original), inSvg = original instanceof SVGElement && original.tagName !== 'svg';
  const inside = original.tagName !== 'svg' && style.display !== 'inline';
  let text = '';
  for (const name of STYLES) {
    if ((name === 'height' || name === 'width') && (inSvg || !inside)) continue;
    const value = style.getPropertyValue(name);
    if (value && (value !== 'none' || name === 'list-style-type') && value !== 'normal' && value !== 'auto' && value !== '0px') text += name + ':' + value + ';';
  }
  for (const name of ['id', 'class', 'tabindex', 'aria-label', 'role', 'contenteditable']) copy.removeAttribute(name);
  for (const { name } of [...copy.attributes]) if (name.startsWith('data-') && name !== 'data-tools' && name !== 'data-keep') copy.removeAttribute(name);
  copy.setAttribute('style', text);
}
