// A branch of the visitor's own in a recorded draft, verified by the engine: the verdicts change, the text does not.

import { all, make, on, put } from '../../lib/dom.js';
import { plural, visible } from '../../lib/text.js';
import { mount as draft_tree } from '../../panes/draft_tree.js';
import { press, textField } from '../fields.js';
import { panesIn, recorded, reveal, withStep } from '../recorded.js';

/** @import { DraftStep } from '../../types' @import { Lesson, Planted } from '../types' */

export async function mount(/** @type {HTMLElement} */ box, /** @type {Lesson} */ lesson) {
  const found = await recorded(lesson);
  if ('error' in found) return void box.append(make('p', { class: 'hint' }, found.error));
  const { run, step: at, about } = found;
  let wrong = false, right = false;
  const field = textField('Your branch', 'purple elephants', () => {}, { maxlength: 80, 'data-branch': '' });
  const says = make('p', { class: 'says', role: 'status', 'data-says': '' }), place = make('div', {}), text = make('p', { class: 'passage', 'data-passage': '' });
  const same = make('p', { class: 'badge', 'data-same': '' });
  box.append(
    make('div', { class: 'controls plant' }, field.element, press('Plant it', () => plant(field.field.value), { 'data-plant': '', class: 'primary' }), press('Plant what the model will write', () => plant(''), { 'data-plant-right': '' })),
    place, says, make('div', { class: 'well' }, make('p', { class: 'fact' }, 'The whole text; marked: what this pass writes'), text, same), make('p', { class: 'hint' }, about),
  );
  const drawTree = panesIn(place, { draft_tree }, {}, lesson);
  on(field.field, 'keydown', (event) => { if (event.key === 'Enter' && !event.isComposing) { event.preventDefault(); plant(field.field.value); } });

  async function plant(/** @type {string} */ branch) {
    const answer = await /** @type {ReturnType<typeof lesson.ask<Planted>>} */ (lesson.ask('plant', { step: at, text: branch }));
    if (answer.error) return put(says, answer.error);
    show(answer);
    const verdict = answer.accepted ? answer.accepted + ' of ' + plural(answer.nodes.length, 'planted token') + ' accepted' : 'All ' + plural(answer.nodes.length, 'planted token') + ' rejected or not reached';
    put(says, verdict + '. The pass wrote ' + plural(answer.emitted, 'token') + (answer.emitted === answer.before ? ', as without them.' : ' instead of ' + answer.before + '.'));
    wrong ||= !answer.accepted;
    right ||= answer.accepted > 0;
    if (wrong && right && answer.same) lesson.done('Wrong tokens were rejected, right ones saved time. The text is the same both times.');
  }

  function show(/** @type {Planted} */ answer) {
    drawTree({ run: withStep(run, /** @type {DraftStep} */ (answer.step)), step: at });
    for (const node of answer.nodes) for (const box of all(place, '[data-node="' + node + '"]')) box.classList.add('planted');
    reveal(place, answer.nodes[1] ?? answer.nodes[0]);
    text.replaceChildren(visible(answer.texts.past), make('mark', {}, visible(answer.texts.now)), visible(answer.texts.rest));
    put(same, answer.same ? 'same text ✓' : '✗ another text');
    same.dataset.same = answer.same ? 'yes' : 'no';
  }

  drawTree({ run, step: at });
  const step = run.steps[at], pieces = (/** @type {number} */ from, /** @type {number} */ to) => run.steps.slice(from, to).flatMap(({ emitted }) => emitted.map(([, piece]) => piece)).join('');
  show({ step, nodes: [], accepted: 0, emitted: step.emitted.length, before: step.emitted.length, same: true, texts: { past: pieces(0, at).slice(-120), now: pieces(at, at + 1), rest: pieces(at + 1, run.steps.length) } });
  put(says, 'Without a planted branch this pass writes ' + plural(step.emitted.length, 'token') + '.');
}
