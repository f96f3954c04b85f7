// A branch of the visitor's own in a recorded draft, verified by the engine: the verdicts change, the text does not.

import { asker } from '../../lib/asker.js';
import { all, draw, make, on, press, put } from '../../lib/dom.js';
import { plural, visible } from '../../lib/text.js';
import { mount as draft_tree } from '../../panes/draft_tree.js';
import { textField } from '../fields.js';
import { around, endOf, panesIn, recorded, reveal, withStep, writtenBefore } from '../recorded.js';

/** @import { DraftStep } from '../../types' @import { Lesson, Planted } from '../types' */
/** @typedef {'wrong' | 'partly' | 'right'} Kind of a branch */

const MOST = 4; // words of a branch, as the server says
const FRAME = 2.5; // from a node to the frame that says it was planted
const SHORT = 26, SHORTEST = 14, MOST_PAST = 119; // letters before a branch, and before what the pass wrote

export async function mount(/** @type {HTMLElement} */ box, /** @type {Lesson} */ lesson) {
  const { run, step: at, about } = await recorded(lesson), before = /** @type {DraftStep} */ (run.steps[at]);
  /** @type {number[]} */ let nodes = [];
  /** The last branch of each kind. @type {Record<Kind, [string, Planted] | null>} */ const results = { wrong: null, partly: null, right: null };
  const path = before.path.map((node) => before.draft.text[node]).join('');
  const field = textField('Plant after “' + visible(endOf(writtenBefore(run, at) + path, SHORTEST)) + '” (' + MOST + ' words at most)', 'purple elephants', () => {}, { maxlength: 80, 'data-branch': '' });
  const says = make('p', { class: 'says', role: 'status', 'data-says': '' }), place = make('div', {}), text = make('p', { class: 'passage', 'data-passage': '' });
  const same = make('p', { class: 'fact', 'data-same': '' }), rows = make('tbody', {}), given = around(run, true);
  box.append(
    make('div', { class: 'controls plant' }, field.element, press('Plant it', () => plant(field.field.value), { 'data-plant': '', class: 'primary' }), press('Plant what the model will write', () => ask({ step: at, text: null }), { 'data-plant-right': '' })),
    place, says, tableOf(rows),
    make('div', { class: 'well' }, given.element, make('p', { class: 'fact' }, 'The answer; marked: what this pass writes'), text, same), make('p', { class: 'hint' }, about + ' A typed word counts as one token; the model may make several of it.'),
  );
  const drawTree = panesIn(place, { draft_tree }, {}, lesson, frame);
  on(field.field, 'keydown', (event) => { if (event.key === 'Enter' && !event.isComposing) { event.preventDefault(); plant(field.field.value); } });

  /** @type {ReturnType<typeof asker<{ step: number, text: string | null }, Planted>>} */
  const ask = asker((question) => lesson.ask('plant', question), (answer, { text: branch }) => {
    if (answer.error) return put(says, answer.error);
    show(answer);
    put(says, inWords(answer));
    says.scrollIntoView({ block: 'nearest' }); // it is below the tree, on a phone out of sight
    results[kindOf(answer)] = [branch === null ? 'what the model will write' : '“' + branch.trim() + '”', answer];
    list();
    if (results.wrong && results.right && answer.same) lesson.done('Wrong branch: rejected. Right branch: all of it accepted, and this pass wrote ' + results.right[1].emitted + ' tokens, not ' + answer.before + '. The text is the same.');
  });

  function plant(/** @type {string} */ branch) {
    if (branch.trim()) ask({ step: at, text: branch }); else put(says, 'Type something first.');
  }

  function list() {
    const tried = [results.wrong, results.partly, results.right].flatMap((result) => (result ? [rowOf(...result)] : []));
    rows.replaceChildren(rowOf('nothing', null, before.emitted.length), ...tried);
  }

  function show(/** @type {Planted} */ answer) {
    nodes = answer.nodes;
    drawTree({ run: withStep(run, /** @type {DraftStep} */ ({ ...answer.step, match: before.match })), step: at });
    reveal(place, nodes[1] ?? nodes[0]);
    text.replaceChildren(visible(endOf(answer.texts.past, MOST_PAST)), make('mark', {}, visible(answer.texts.now)), visible(answer.texts.rest));
    if (!nodes.length) return put(same, 'Plain decoding writes this text, too: one token per pass, without drafts.');
    put(same, answer.same ? '✓ Same text as plain decoding: the branch changed the number of passes at most.' : '✗ Not the text of plain decoding.');
    same.dataset.same = answer.same ? 'yes' : 'no';
  }

  /** The same frame around every planted node, whatever became of it. */
  function frame() {
    for (const node of nodes) {
      for (const group of all(place, '[data-node="' + node + '"]')) {
        if (group.classList.contains('planted')) continue;
        group.classList.add('planted');
        const [x, y, width, height] = ['x', 'y', 'width', 'height'].map((name) => Number(group.querySelector('rect')?.getAttribute(name)));
        group.prepend(draw('rect', { class: 'frame', x: x - FRAME, y: y - FRAME, width: width + 2 * FRAME, height: height + 2 * FRAME, rx: 8 }));
      }
    }
  }

  const pieces = run.steps.slice(at + 1).flatMap(({ emitted }) => emitted.map(([, piece]) => piece)).join(''), written = before.emitted.map(([, piece]) => piece).join('');
  show({ step: before, nodes: [], known: 0, cut: false, accepted: 0, emitted: before.emitted.length, before: before.emitted.length, same: true, texts: { past: writtenBefore(run, at).slice(-MOST_PAST - 1), after: '', now: written, rest: pieces } });
  put(says, 'Without a planted branch this pass writes ' + plural(before.emitted.length, 'token') + '.');
  list();
}

/** Whether a branch is right to its end, to a place in it, or not at all. @returns {Kind} */
const kindOf = (/** @type {Planted} */ { accepted, nodes }) => (accepted === nodes.length ? 'right' : accepted ? 'partly' : 'wrong');

/** What became of a branch, in sentences. */
function inWords(/** @type {Planted} */ { nodes, known, cut, accepted, emitted, before, texts }) {
  const all = nodes.length, one = all === 1;
  const verdict = accepted === all ? (one ? 'the planted token was accepted' : 'all ' + all + ' planted tokens were accepted')
    : accepted ? accepted + ' of ' + all + ' accepted: right up to here, then another word' : one ? 'the planted word was rejected' : 'the first planted word was rejected, so the others were not reached';
  return (cut ? 'Long branch: the first ' + MOST + ' words are used. ' : '')
    + 'Planted after “' + visible(endOf(texts.after, SHORT)) + '”: ' + verdict + '. '
    + (known ? (known === all ? 'The draft held ' + (one ? 'it' : 'them') + ' already. ' : 'The draft held ' + known + ' of them already. ') : '')
    + 'The pass wrote ' + plural(emitted, 'token') + (emitted === before ? ', as without ' + (one ? 'it.' : 'them.') : ' instead of ' + before + '.');
}

const tableOf = (/** @type {HTMLElement} */ rows) => make('table', { class: 'results', 'data-results': '' },
  make('thead', {}, make('tr', {}, ...['Planted', 'Accepted', 'This pass wrote', 'Text'].map((name) => make('th', { scope: 'col' }, name)))), rows);

/** @param {string} name @param {Planted | null} answer @param {number} [written] tokens, where nothing was planted */
function rowOf(name, answer, written = answer?.emitted ?? 0) {
  const accepted = answer ? answer.accepted + ' of ' + answer.nodes.length : '–';
  return make('tr', answer ? { 'data-result': kindOf(answer) } : {}, ...[name, accepted, plural(written, 'token'), answer && !answer.same ? '✗ another' : answer ? '✓ the same' : 'plain decoding’s'].map((words) => make('td', {}, words)));
}
