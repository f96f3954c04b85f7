// The recorded run of the chapters on verification, and panes of the Watch page on one of its steps.

import { make } from '../lib/dom.js';

/** @import { Context, DraftStep, Mount, Pane, Run, State } from '../types' @import { Lesson, Recorded } from './types' */

/** @param {Lesson} lesson @returns {Promise<{ run: Run, step: number, about: string } | { error: string }>} */
export async function recorded(lesson) {
  const answer = await /** @type {ReturnType<typeof lesson.ask<Recorded>>} */ (lesson.ask('recording', {}));
  if (answer.error) return { error: answer.error };
  const { run: id, method, head, steps, end } = answer.message;
  if (!head) return { error: 'The recording has no head.' };
  const about = 'A recorded run (' + answer.name + ') of ' + answer.model + ', drafted again ' + head.config.decoding_length + ' tokens wide.';
  return { run: { id, method, head, steps, end }, step: answer.step, about };
}

/** The same run with another draft at one step. @param {Run} run @param {DraftStep} step @returns {Run} */
export const withStep = (run, step) => ({ ...run, steps: run.steps.map((other) => (other.i === step.i ? step : other)) });

/** Scrolls the picture that a node is in, so that the node is in its middle. */
export function reveal(/** @type {HTMLElement} */ box, /** @type {number | undefined} */ node) {
  const shape = box.querySelector('[data-node="' + node + '"] rect'), canvas = /** @type {HTMLElement | null | undefined} */ (shape?.closest('.canvas'));
  if (shape && canvas) canvas.scrollTo({ left: Number(shape.getAttribute('x')) - canvas.clientWidth / 2, top: Number(shape.getAttribute('y')) - canvas.clientHeight / 2 });
}

/** Panes in a box each, drawn together and again where the width changes. @param {HTMLElement} box @param {Record<string, Mount>} mounts by class of the box @param {Partial<Context>} context @param {Lesson} lesson */
export function panesIn(box, mounts, context, lesson) {
  const server = /** @type {any} */ (new Proxy({}, { get: () => async () => ({ error: 'not in this chapter' }) }));
  /** @type {State | null} */ let drawn = null;
  /** @type {Pane[]} */ const panes = Object.entries(mounts).map(([name, mount]) => {
    const place = make('section', { 'data-pane': name });
    box.append(place);
    return mount(place, { server, knobs: [], sources: lesson.sources, examples: [], ...context });
  });
  function drawState(/** @type {State} */ state) {
    drawn = state;
    for (const pane of panes) pane.draw(state);
    for (const pane of panes) pane.settle?.(state);
  }
  let width = 0;
  new ResizeObserver(([entry]) => {
    if (Math.abs(entry.contentRect.width - width) < 1) return;
    width = entry.contentRect.width;
    for (const pane of panes) pane.resize?.();
    if (drawn) drawState(drawn);
  }).observe(box);
  return drawState;
}
