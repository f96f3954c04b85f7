// A small chart: lines over a logarithmic or straight scale, with points that may have names, beside them.

import { draw, set } from '../lib/dom.js';

const LEFT = 46, BOTTOM = 40, TOP = 28, RIGHT = 16, ALONE = 10, NAMED = 5.5, LETTER = 12;

/**
 * @typedef {{ points: [x: number, y: number][], kind: string, name?: string }} Line kind: its class
 * @typedef {{ x: number, y: number, name: string, kind: string, says: string }} Point
 * @typedef {{ width: number, height: number, xs: number[], ys: number[], xName: string, yName: string, log?: boolean }} Frame ticks; the first and last are the ends of the scales
 */

/** Draws lines and points instead of what the SVG element shows. @param {SVGElement} svg @param {Frame} frame @param {Line[]} lines @param {Point[]} points */
export function drawChart(svg, { width, height, xs, ys, xName, yName, log }, lines, points) {
  const scale = (/** @type {number} */ value) => (log ? Math.log(value) : value);
  const [x0, x1, y0, y1] = [scale(xs[0]), scale(xs[xs.length - 1]), scale(ys[0]), scale(ys[ys.length - 1])];
  const x = (/** @type {number} */ value) => LEFT + (width - LEFT - RIGHT) * Math.max(0, Math.min(1.02, (scale(value) - x0) / (x1 - x0)));
  const y = (/** @type {number} */ value) => height - BOTTOM - (height - BOTTOM - TOP) * Math.max(0, Math.min(1.02, (scale(value) - y0) / (y1 - y0)));
  /** @type {[x: number, y: number][]} */ const places = points.map(({ x: a, y: b }) => [x(a), y(b)]);
  const names = beside(places);
  const parts = [
    ...ys.map((tick) => draw('path', { class: 'grid', d: 'M' + LEFT + ' ' + y(tick) + 'H' + (width - RIGHT) })),
    ...ys.map((tick) => draw('text', { x: LEFT - 7, y: y(tick) + 4, 'text-anchor': 'end', class: 'tick' }, String(tick))),
    ...xs.map((tick) => draw('text', { x: x(tick), y: height - BOTTOM + 17, 'text-anchor': 'middle', class: 'tick' }, String(tick))),
    draw('text', { x: (LEFT + width - RIGHT) / 2, y: height - 4, 'text-anchor': 'middle', class: 'axis' }, xName),
    draw('text', { x: 4, y: 11, class: 'axis' }, yName),
    ...lines.map(({ points: line, kind }) => draw('path', { class: 'line ' + kind, d: 'M' + line.map(([a, b]) => x(a).toFixed(2) + ' ' + y(b).toFixed(2)).join('L') })),
    ...points.map((point, i) => draw('g', { class: 'dot ' + point.kind, role: 'img', 'aria-label': point.says },
      draw('circle', { cx: places[i][0], cy: places[i][1], r: point.name ? NAMED : ALONE }), draw('text', { x: names[i][0], y: names[i][1], 'text-anchor': 'middle' }, point.name))),
  ];
  svg.replaceChildren(...parts);
  set(svg, { width, height });
}

/** Where the names of points are written: above them, to the right, further right where one would cover another. @param {[x: number, y: number][]} places */
function beside(places) {
  /** @type {[x: number, y: number][]} */ const taken = [];
  const covers = (/** @type {number} */ x, /** @type {number} */ y) => taken.some(([a, b]) => Math.hypot(a - x, b - y) < LETTER) || places.some(([a, b]) => Math.hypot(a - x, b - y + LETTER / 3) < LETTER);
  for (const [x, y] of places) {
    let right = x + LETTER;
    while (covers(right, y - NAMED)) right += 2;
    taken.push([right, y - NAMED]);
  }
  return taken;
}
