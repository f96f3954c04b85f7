// Does it pay? Tokens per pass that a width needs, T(n) / T(1) with drafting, and where the settings are.

import { draw, make, picker, press } from './dom.js';
import { measured, number, plural, settingsText, ticksTo, times } from './words.js';

/** @import { Around, Machine, Study, Variant } from './study' */

/** @typedef {{ x: number, y: number, needed: number, pays: boolean, name: string, kind: string, says: string }} Point x: tokens in a pass, y: tokens that it brings */

const LEFT = 38, RIGHT = 14, TOP = 22, BOTTOM = 38, MOST_POINTS = 60;
/** A point is drawn at the mean width of its passes where T(n) there is at most this far from their time. */
const NEAR = 0.15;

/** @param {HTMLElement} box @param {Around} around */
export function mountBreakEven(box, around) {
  /** @type {Study | null} */ let study = null;
  let chosen = '', /** @type {string[]} */ known = [];
  const svg = draw('svg', { role: 'img' }), plot = make('div', { class: 'plot' }, svg), says = make('span', {});
  const where = make('span', {});
  box.append(plot, make('p', { class: 'says' }, where, says));
  new ResizeObserver(render).observe(plot);

  function render() {
    if (!study) return;
    const machine = study.machines.find(({ name }) => name === chosen) || study.machines[0];
    plot.hidden = !machine;
    if (!machine) {
      says.textContent = 'Whether it pays depends on T(n), the time of a pass of n tokens. It is not known for these outputs: measure it, or give a file that “costs” wrote.';
      return;
    }
    const points = pointsOf(study, machine);
    if (plot.clientWidth > 80) drawPlot(svg, plot.clientWidth, Math.max(120, plot.clientHeight), machine, points);
    says.replaceChildren(...doubts(study, machine, around), ...saysOf(study, machine, points[0]));
  }

  return {
    show(/** @type {Study} */ next) {
      study = next;
      const names = study.machines.map(({ name }) => name);
      const added = names.find((name) => known.length && !known.includes(name) && known.includes(names[0]));
      chosen = added || (names.includes(chosen) ? chosen : names[0] || '');
      known = names;
      where.replaceChildren(...(names.length > 1 ? [picker('Machine', names, chosen, (name) => { chosen = name; render(); }), ' '] : []));
      render();
    },
  };
}

/** Where A is; whether it pays is said by the verdict alone. @param {Study} study @param {Machine} machine @param {Point | undefined} own */
function saysOf({ total, machines }, machine, own) {
  if (!own) return ['No pass had a draft.'];
  const best = machine !== machines[0] && machine.best ? ' Best there: ' + machine.best + ' (' + times(machine.best_speedup) + ').' : '';
  const mean = 1 + total.drafted / total.passes, wide = Math.abs(own.x / mean - 1) < 0.1 ? '' : ' Its passes are ' + number(mean, 1) + ' tokens wide on average; A is drawn at ' + number(own.x, 1) + ', the width that takes as long.';
  if (doubtful(machine)) return ['A pass of A brings ' + number(own.y) + ' tokens and is ' + number(mean, 1) + ' wide on average.' + best];
  return ['By T(n), a pass of A takes as long as ' + number(own.needed) + ' plain ones and brings ' + number(own.y) + ' tokens.' + wide + best];
}

/** A length whose time falls or jumps as on a busy machine (`doubt` of lookahead/study/verdict.py); 0 if there is none. */
export function doubtful(/** @type {Machine} */ { lengths, seconds }) {
  return lengths[seconds.findIndex((time, i) => i && (1.4 * time < seconds[i - 1] || time > 1.05 * seconds[i - 1] * lengths[i] / lengths[i - 1]))] || 0;
}

/** Why T(n) cannot be trusted, and what to do. @param {Study} study @param {Machine} machine @param {Around} around */
function doubts(study, machine, around) {
  const { speedup, modelled_speedup: modelled } = study.total, ratio = Number(modelled) / Number(speedup), low = doubtful(machine);
  const off = machine === study.machines[0] && !machine.again && measured(study) && speedup && modelled && !(ratio > 1 / around.off && ratio < around.off);
  if (!low && !off) return [];
  const why = low ? 'T(n) is doubtful: T(' + low + ') is off its neighbours, as on a busy machine. '
    : 'T(n) does not fit the measured times: by T(n) A is ' + times(modelled) + ' as fast as plain decoding, measured ' + times(speedup) + '. ';
  const offer = around.measure && machine.name === 'this machine' ? press('Measure T(n) again', around.measure, { class: 'link', 'data-measure-offer': '' }) : 'Measure it again while nothing else runs (costs --measure).';
  return [make('span', { class: 'doubt', 'data-doubt': '' }, make('b', {}, why), offer), ' '];
}

/**
 * The study's own settings first, then B, peers and the grid. A point is at the mean width of its passes; where a pass of that width takes another time
 * than they do on average, as passes of very different widths may, at the width that takes as long. On another machine only what was computed for it is known.
 * @param {Study} study @param {Machine} machine @returns {Point[]}
 */
export function pointsOf({ total, variants, machines }, machine) {
  if (!total.passes || total.tokens_per_pass === null) return [];
  const here = machine === machines[0] && !machine.again;
  const own = pointOf(machine, 'A', 'own', 'A', 1 + total.drafted / total.passes, total.tokens_per_pass, here ? total.modelled_speedup : machine.again ? null : machine.modelled_speedup);
  const known = variants.filter((one) => one.tokens_per_pass !== null && one.drafted_per_pass !== null && (here || machine.again || one.label === machine.best));
  const named = known.filter(({ label, peer }) => label === 'B' || peer || !(here || machine.again)), grid = known.filter((one) => !named.includes(one)).slice(0, MOST_POINTS);
  const point = (/** @type {Variant} */ one, /** @type {string} */ name) => {
    const more = settingsText(one.config), words = one.label + (more && more !== one.label ? ' (' + more + ')' : '');
    return pointOf(machine, name, name === '' ? 'grid' : one.peer ? 'peer' : 'second', words, 1 + Number(one.drafted_per_pass), Number(one.tokens_per_pass), here ? one.modelled_speedup : machine.again ? null : machine.best_speedup);
  };
  return [own, ...named.map((one) => point(one, one.label)), ...grid.map((one) => point(one, ''))];
}

/** @param {Machine} machine @param {string} name @param {string} kind @param {string} words @param {number} width in the mean @param {number} y @param {number | null} speedup @returns {Point} */
function pointOf(machine, name, kind, words, width, y, speedup) {
  const there = neededAt(machine, width), needed = speedup ? y / speedup : there;
  const fits = doubtful(machine) || (Math.abs(needed / there - 1) < NEAR && y >= needed === y >= there); // where T(n) is flat, a time says nothing of the width
  return { x: fits ? width : between(neededOf(machine), machine.lengths, needed), y, needed, pays: y >= needed, name, kind, says: words + ': ' + number(y) + ' tokens from a pass as long as ' + number(needed) + ' plain ones' };
}

const neededOf = (/** @type {Machine} */ { seconds, break_even: given }) => (given.length ? given : seconds.map((time) => time / seconds[0]));

/** What a pass of a width has to bring, between two measured widths in proportion. @param {Machine} machine @param {number} width */
export const neededAt = (machine, width) => between(machine.lengths, neededOf(machine), width);

/** The value at a place of a line through points. @param {number[]} xs ascending @param {number[]} ys @param {number} x */
function between(xs, ys, x) {
  const next = xs.findIndex((known) => known >= x);
  if (next <= 0) return ys[next < 0 ? ys.length - 1 : 0];
  return ys[next - 1] + (ys[next] - ys[next - 1]) * (x - xs[next - 1]) / (xs[next] - xs[next - 1]);
}

/** @param {SVGElement} svg @param {number} width @param {number} height @param {Machine} machine @param {Point[]} points */
function drawPlot(svg, width, height, machine, points) {
  const most = Math.max(8, ...points.map((point) => point.x)), lengths = machine.lengths.filter((_, i) => i === 0 || machine.lengths[i - 1] < most);
  const end = lengths[lengths.length - 1], needs = lengths.map((length) => neededAt(machine, length));
  const low = 0.8 * Math.min(1, ...needs, ...points.map((point) => point.y));
  const high = Math.max(1.5, ...points.map((point) => point.y), Math.min(Math.max(...needs), 1.4 * Math.max(...points.map((point) => point.y), 1))) * 1.08;
  const x = (/** @type {number} */ value) => LEFT + (width - LEFT - RIGHT) * Math.min(1, Math.log(Math.max(1, value)) / Math.log(end));
  const y = (/** @type {number} */ value) => height - BOTTOM - (height - BOTTOM - TOP) * Math.max(0, Math.min(1, (value - low) / (high - low)));
  const curve = 'M' + lengths.map((length, i) => x(length).toFixed(1) + ' ' + y(needs[i]).toFixed(1)).join('L');
  const ticks = ticksTo(high).filter((tick) => tick >= low), wide = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].filter((length) => length <= end);
  svg.replaceChildren(
    draw('path', { class: 'faster', d: curve + 'V' + TOP + 'H' + x(1) + 'Z' }),
    ...ticks.flatMap((tick) => [draw('path', { class: 'grid', d: 'M' + LEFT + ' ' + y(tick) + 'H' + (width - RIGHT) }), draw('text', { class: 'tick', x: LEFT - 7, y: y(tick) + 4, 'text-anchor': 'end' }, String(tick))]),
    ...wide.map((length) => draw('text', { class: 'tick', x: x(length), y: height - BOTTOM + 16, 'text-anchor': 'middle' }, String(length))),
    draw('text', { class: 'axis', x: LEFT, y: 12 }, 'tokens a pass brings'),
    draw('text', { class: 'axis', x: width - RIGHT, y: height - 5, 'text-anchor': 'end' }, 'tokens in the pass →'),
    draw('path', { class: 'needed' + (doubtful(machine) ? ' doubtful' : ''), d: curve }),
    ...points.toReversed().map((point) => dot(point, x(point.x), y(point.y))),
    ...labels(points, x, y, lengths.map((length, i) => [x(length), y(needs[i])]), 'needed: ' + (doubtful(machine) ? 'T(n), doubtful' : 'T(n) / T(1)'), { left: LEFT, right: width - RIGHT, top: TOP, bottom: height - BOTTOM }),
  );
  svg.setAttribute('width', String(width));
  svg.setAttribute('height', String(height));
  for (const text of svg.querySelectorAll('.dot-name, .needed-name')) { // fonts differ: no name beyond the edge
    const beyond = Number(text.getAttribute('x')) + /** @type {SVGTextElement} */ (text).getComputedTextLength() - (width - 4);
    if (beyond > 0) text.setAttribute('x', String(Number(text.getAttribute('x')) - beyond));
  }
  const pays = points.filter((point) => point.pays).length;
  svg.setAttribute('aria-label', 'Tokens that a pass brings by its width; ' + pays + ' of ' + plural(points.length, 'setting') + ' above what is needed. ' + points.filter(({ name }) => name).map(({ says }) => says).join('; '));
}

/** @param {Point} point @param {number} cx @param {number} cy */
function dot({ kind, says, pays }, cx, cy) {
  const shape = kind === 'peer' ? draw('path', { d: 'M' + cx + ' ' + (cy - 6) + 'l6 6l-6 6l-6 -6z' }) : draw('circle', { cx, cy, r: kind === 'grid' ? 3.5 : 8 });
  return draw('g', { class: 'dot ' + kind + (pays ? '' : ' below') }, draw('title', {}, says), shape);
}

/** Points on top of each other get one name together. @param {Point[]} points @param {(value: number) => number} x @param {(value: number) => number} y */
export function oneName(points, x, y) {
  /** @type {Point[]} */ const apart = [];
  for (const point of points) {
    const near = apart.find((one) => Math.hypot(x(one.x) - x(point.x), y(one.y) - y(point.y)) < 12);
    if (near) near.name += ', ' + point.name;
    else apart.push({ ...point });
  }
  return apart;
}

/**
 * Names beside their points and below the curve: each at the first place where neither another name nor a point nor the curve is.
 * @param {Point[]} points @param {(value: number) => number} x @param {(value: number) => number} y @param {number[][]} curve @param {string} needed @param {{ left: number, right: number, top: number, bottom: number }} room
 */
function labels(points, x, y, curve, needed, room) {
  const named = oneName(points.filter(({ name }) => name), x, y), around = (/** @type {Point} */ { x: a, y: b }, /** @type {number} */ r) => [x(a) - r, y(b) - r, x(a) + r, y(b) + r];
  /** @type {number[][]} */ const taken = named.map((point) => around(point, 8));
  for (const [i, [x2, y2]] of curve.entries()) {
    const [x1, y1] = curve[Math.max(0, i - 1)];
    for (let share = 0; share < 1; share += 0.2) taken.push([x1 + share * (x2 - x1) - 1, y1 + share * (y2 - y1) - 1, x1 + share * (x2 - x1) + 1, y1 + share * (y2 - y1) + 1]);
  }
  const put = (/** @type {string} */ name, /** @type {string} */ kind, /** @type {number[][]} */ places, otherwise = 0) => {
    const wide = 7 * name.length, boxOf = (/** @type {number[]} */ [left, base]) => [left, base - 11, left + wide, base + 3];
    const inside = (/** @type {number[]} */ [left, top, right, bottom]) => left >= room.left && right <= room.right && top >= room.top && bottom <= room.bottom;
    const free = (/** @type {number[]} */ [left, top, right, bottom]) => inside([left, top, right, bottom]) && taken.every(([a, b, c, d]) => right < a || left > c || bottom < b || top > d);
    const place = places.find((one) => free(boxOf(one))) || (otherwise < 0 ? places[places.length - 1] : places.find((one) => inside(boxOf(one))) || places[0]);
    taken.push(boxOf(place));
    return draw('text', { class: kind, x: place[0], y: place[1] }, name);
  };
  const beside = (/** @type {Point} */ { name, x: a, y: b }) => {
    const [cx, cy, wide] = [x(a), y(b), 7 * name.length];
    return [[cx + 12, cy + 4], [cx - 12 - wide, cy + 4], [cx - wide / 2, cy - 13], [cx - wide / 2, cy + 21], [cx - wide / 2, cy - 28], [cx - wide / 2, cy + 36], [cx + 10, cy + 19], [cx + 10, cy - 11], [cx - wide - 10, cy - 11], [cx - wide - 10, cy + 19], [cx + 10, cy + 33], [cx - wide - 10, cy + 33], [cx - wide / 2, cy + 50], [cx - wide / 2, cy - 43]];
  };
  const below = curve.toReversed().flatMap(([cx, cy]) => [18, 26, 36].flatMap((down) => [[cx - 3 * needed.length, cy + down], [cx + 6, cy + down], [cx - 7 * needed.length - 6, cy + 10 - down]]));
  const names = named.map((point) => put(point.name, 'dot-name ' + point.kind, beside(point)));
  taken.push(...points.map((point) => around(point, 4)));
  return [...names, put(needed, 'needed-name', [...below, [room.right - 7 * needed.length, room.bottom - 6]], -1)];
}
