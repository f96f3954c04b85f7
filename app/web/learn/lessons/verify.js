// The walk down a recorded draft tree: the visitor looks for the model's choice, node by node.

import { make, press, put } from '../../lib/dom.js';
import { ownToken } from '../../lib/runs.js';
import { label, plural } from '../../lib/text.js';
import { mount as draft_tree } from '../../panes/draft_tree.js';
import { around, panesIn, recorded, reveal, withStep } from '../recorded.js';

/** @import { DraftStep, Status } from '../../types' @import { Lesson } from '../types' */

export async function mount(/** @type {HTMLElement} */ box, /** @type {Lesson} */ lesson) {
  const { run, step: first, about, walks } = await recorded(lesson), given = around(run);
  let at = first, step = /** @type {DraftStep} */ (run.steps[at]);
  /** @type {number[]} */ let path = [];
  /** @type {Set<number>} */ let wrong = new Set();
  let over = false;
  /** @type {Set<number>} */ const finished = new Set(); // examples of the task, the first two
  const chose = make('p', { class: 'chose', 'data-chose': '' }), says = make('p', { class: 'says', role: 'status', 'data-says': '' });
  const none = press('None of these', () => say(null), { 'data-none': '' }), again = press('Again', () => go(at), { 'data-again': '' });
  const back = press('‹', () => go(walks[walks.indexOf(at) - 1]), { 'data-before': '', 'aria-label': 'Example before' }), more = press('›', () => go(walks[walks.indexOf(at) + 1]), { 'data-another': '', 'aria-label': 'Next example' });
  const count = make('span', { class: 'fact', 'data-walk': '', role: 'status' }), place = make('div', {});
  box.append(chose, make('div', { class: 'controls' }, none, again, make('span', { class: 'pick' }, back, count, more)), place, says, given.element, make('p', { class: 'hint' }, about));
  const drawTree = panesIn(place, { draft_tree }, { still: true, pin(node) { if (node) say(node); } }, lesson);

  const here = () => path.at(-1) ?? 0;
  const kids = () => step.draft.parent.flatMap((parent, i) => (parent === here() ? [i] : []));
  /** The step's own verdict: the next accepted node, or null where the model went its own way. */
  const right = () => step.path[path.length] ?? null;

  function go(/** @type {number} */ to) {
    at = to;
    step = /** @type {DraftStep} */ (run.steps[at]);
    path = [];
    wrong = new Set();
    over = false;
    const place = walks.indexOf(at);
    back.disabled = place < 1;
    more.disabled = place === walks.length - 1;
    put(count, 'Example ' + (place + 1) + ' of ' + walks.length);
    put(says, '');
    given.show(step);
    show();
  }

  function say(/** @type {number | null} */ node) {
    if (over) return;
    const next = right();
    if (node !== null && !kids().includes(node)) return put(says, 'Only a child of “' + label(step.draft.text[here()]) + '” can be next.');
    const before = path;
    if (node !== next) {
      if (node !== null) wrong.add(node);
      put(says, node === null ? '✗ One of them is the model’s choice. Look again.' : '✗ “' + label(step.draft.text[node]) + '” is not what the model chose here: rejected.');
    } else if (node !== null) {
      path = [...path, node];
      put(says, '✓ Accepted: “' + label(step.draft.text[node]) + '”.');
    }
    if (node === null && next === null) return finish();
    if (right() === null && !kids().length) finish();
    else show(path !== before);
  }

  function finish() {
    over = true;
    const own = ownToken(step), written = plural(step.emitted.length, 'token');
    show();
    put(says, '✓ ' + (path.length ? plural(path.length, 'token') + ' accepted' : 'Every guess was wrong: no token accepted') + (own ? ', and “' + label(own[1]) + '” is written by the model: the bonus token. ' : '. ') + written + ' from one pass.');
    says.scrollIntoView({ block: 'nearest' }); // it is below the tree, on a phone out of sight
    finished.add(walks.indexOf(at));
    if (finished.has(0) && (finished.has(1) || walks.length < 2)) lesson.done('Right guesses are written together; if all are wrong, a pass still writes one token.');
  }

  /** The step as far as it has been walked: what is not known yet looks as if it had not been reached. */
  function show(went = true) {
    const { draft } = step, done = new Set([0, ...path]);
    const status = [...draft.status].map((letter, i) => /** @type {Status} */ (
      i === 0 ? 'r' : path.includes(i) ? 'a' : wrong.has(i) || (done.has(draft.parent[i]) && (over || draft.parent[i] !== here()) && letter === 'x') ? 'x' : 'u')).join('');
    const wants = draft.wants.map(() => null); // it is said above, and a box that grew would move the others
    const emitted = over ? step.emitted : step.emitted.slice(0, path.length);
    drawTree({ run: withStep(run, { ...step, draft: { ...draft, status, wants }, path, emitted }), step: at, node: over ? null : here() });
    if (went) reveal(place, over ? here() : kids()[0] ?? here());
    const choice = draft.wants[here()];
    chose.replaceChildren(...(over ? ['The walk is over.'] : ['After ', make('b', {}, label(draft.text[here()])), ' the model chose ', make('b', { class: 'choice' }, label(choice ?? ''))]));
    none.disabled = over;
  }

  go(at);
}
