// The recorded run of the chapters on verification, and panes of the Watch page on one of its steps.

import { all, make, put } from '../lib/dom.js';
import { label, visible } from '../lib/text.js';
import { fit, scaleOf } from './fit.js';

/** @import { Context, DraftStep, Head, Mount, Pane, Run, State } from '../types' @import { Lesson, Recorded } from './types' */

const MOST_AROUND = 110; // letters of the prompt, and of what was written

/** @param {Lesson} lesson @returns {Promise<{ run: Run, step: number, walks: number[], about: string }>} */
export async function recorded(lesson) {
  const answer = await /** @type {ReturnType<typeof lesson.need<Recorded>>} */ (lesson.need('recording'));
  const { run: id, method, steps, end } = answer.message, head = /** @type {Head} */ (answer.message.head);
  const about = 'A recorded run (' + answer.name + ') of ' + answer.model + ', drafted again ' + head.config.decoding_length + ' tokens wide. ␣ is a space, ⏎ a line break.';
  /** Of the matched tokens the root alone is shown, in its own colour: the tree needs the room. */
  const shown = steps.map((step) => ({ ...step, match: 0 }));
  return { run: { id, method, head, steps: shown, end }, step: answer.step, walks: answer.walks, about };
}

/** The same run with another draft at one step. @param {Run} run @param {DraftStep} step @returns {Run} */
export const withStep = (run, step) => ({ ...run, steps: run.steps.map((other) => (other.i === step.i ? step : other)) });

/** What a run had written before a step. */
export const writtenBefore = (/** @type {Run} */ run, /** @type {number} */ step) => run.steps.slice(0, step).flatMap(({ emitted }) => emitted.map(([, piece]) => piece)).join('');

/** The end of a text, from the beginning of a word. */
export const endOf = (/** @type {string} */ text, most = MOST_AROUND) => (text.length > most ? '…' + text.slice(-most).replace(/^\S*\s/, '') : text);

/** The prompt and the text before a step, the root marked. @param {Run} run @param {boolean} [alone] the prompt without the text */
export function around(run, alone = false) {
  const prompt = make('span', {}), written = make('span', {}), root = make('mark', {});
  const asked = run.head.prompt.join('').replace(/<\|[^|]*\|>(system|user|assistant)?/g, '').trim();
  put(prompt, visible(endOf(asked.replace(/\s+/g, ' '))));
  const element = make('div', { class: 'around', 'data-around': '' }, make('p', {}, make('b', {}, 'Prompt '), prompt));
  if (!alone) element.append(make('p', {}, make('b', {}, 'Written so far '), written, root));
  return {
    element,
    show(/** @type {DraftStep} */ step) {
      const before = writtenBefore(run, step.i), last = step.draft.text[0];
      put(written, visible(endOf(before.endsWith(last) ? before.slice(0, -last.length) : before)));
      put(root, label(last) + ' (the root)');
    },
  };
}

/** Scrolls the picture that a node is in, so that the node is in its middle. */
export function reveal(/** @type {HTMLElement} */ box, /** @type {number | undefined} */ node) {
  const shape = box.querySelector('[data-node="' + node + '"] rect'), svg = /** @type {SVGElement | null | undefined} */ (shape?.closest('svg'));
  const canvas = svg?.closest('.canvas');
  if (!shape || !svg || !canvas) return;
  const scale = scaleOf(svg);
  canvas.scrollTo({ left: scale * Number(shape.getAttribute('x')) - canvas.clientWidth / 2, top: scale * Number(shape.getAttribute('y')) - canvas.clientHeight / 2 });
}

/** Panes in a box each, drawn together and again where the width changes. @param {HTMLElement} box @param {Record<string, Mount>} mounts by class of the box @param {Partial<Context>} context @param {Lesson} lesson @param {() => void} [after] called when they are drawn */
export function panesIn(box, mounts, context, lesson, after) {
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
    for (const svg of all(box, 'svg[data-tree]')) fit(/** @type {SVGElement} */ (/** @type {unknown} */ (svg)), 1.15);
    for (const pane of panes) pane.settle?.(state);
    after?.();
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
