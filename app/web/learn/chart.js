// A small chart: lines over a logarithmic or straight scale, with points that have names.

import { draw, set } from '../lib/dom.js';

const LEFT = 46, BOTTOM = 40, TOP = 28, RIGHT = 16, RADIUS = 10;

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
  const parts = [
    ...ys.map((tick) => draw('path', { class: 'grid', d: 'M' + LEFT + ' ' + y(tick) + 'H' + (width - RIGHT) })),
    ...ys.map((tick) => draw('text', { x: LEFT - 7, y: y(tick) + 4, 'text-anchor': 'end', class: 'tick' }, String(tick))),
    ...xs.map((tick) => draw('text', { x: x(tick), y: height - BOTTOM + 17, 'text-anchor': 'middle', class: 'tick' }, String(tick))),
    draw('text', { x: (LEFT + width - RIGHT) / 2, y: height - 4, 'text-anchor': 'middle', class: 'axis' }, xName),
    draw('text', { x: 4, y: 11, class: 'axis' }, yName),
    ...lines.map(({ points: line, kind }) => draw('path', { class: 'line ' + kind, d: 'M' + line.map(([a, b]) => x(a).toFixed(1) + ' ' + y(b).toFixed(1)).join('L') })),
    ...apart(points.map(({ x: a, y: b }) => [x(a), y(b)])).map(([cx, cy], i) => draw('g', { class: 'dot ' + points[i].kind, role: 'img', 'aria-label': points[i].says },
      draw('circle', { cx, cy, r: RADIUS }), draw('text', { x: cx, y: cy + 4, 'text-anchor': 'middle' }, points[i].name))),
  ];
  svg.replaceChildren(...parts);
  set(svg, { width, height });
}

/** Places beside each other where one point would cover another. @param {[x: number, y: number][]} places */
function apart(places) {
  /** @type {[number, number][]} */ const free = [];
  for (let [x, y] of places) {
    while (free.some(([a, b]) => Math.hypot(a - x, b - y) < 1.6 * RADIUS)) x += 2 * RADIUS;
    free.push([x, y]);
  }
  return free;
}
