// One draft node: what is known of it, and where its token was read before.

import { answerTo } from '../lib/asker.js';
import { fill, make } from '../lib/dom.js';
import { STATUS, hasDraft, isOver, ranksOf } from '../lib/runs.js';
import { label, ordinal, percent, plural, visible } from '../lib/text.js';

/** @import { Answer, DraftStep, Mount, NodeSeen, Source } from '../types' @typedef {Answer<NodeSeen>} Seen */

const ASK_AFTER = 80; // milliseconds that a node must be pointed at before the server is asked
/** @type {Record<string, string>} */
const STATUS_WORDS = { ...STATUS, u: 'not reached' };

/** @type {Mount} */
export function mount(box, context) {
  fill(box, '', 'node-details');
  /** @type {number | undefined} */
  let timer;
  /** @type {unknown[]} */
  let drawn = [];

  /** @param {DraftStep | null} step @param {number | null} node @param {string | Seen} seen */
  function show(step, node, seen) {
    const shown = step && (node ?? tellingNode(step));
    const parts = !step || shown === null ? [] : nodeFacts(step, shown, node === null ? '' : seen, context.sources);
    if (node === null) parts.push(make('p', { class: 'hint' }, 'Point at a node, or click it, for its details and where it was read before.'));
    box.replaceChildren(...parts);
  }

  return {
    draw(state) {
      const { run } = state, found = run.steps[state.step], step = hasDraft(found) ? found : null;
      const node = step && state.node !== null && state.node !== undefined && state.node < step.draft.parent.length ? state.node : null;
      const over = isOver(state), now = [run, found, node, over && !!node];
      if (drawn.length && now.every((value, i) => value === drawn[i])) return;
      drawn = now;
      clearTimeout(timer);
      show(step, node, over ? '…' : 'Where it was read is shown when the run has finished.');
      if (!node || !step || !over) return;
      timer = setTimeout(async () => {
        const answer = await answerTo(context.server.node_seen({ run: run.id, step: step.i, node }));
        if (drawn === now) show(step, node, answer);
      }, ASK_AFTER);
    },
    destroy() { clearTimeout(timer); },
  };
}

/** The node that says most: the first rejected one, since it tells why the path ended; else the last accepted one. @param {DraftStep} step */
function tellingNode(step) {
  const rejected = step.draft.status.indexOf('x');
  return rejected > 0 ? rejected : step.path.length ? step.path[step.path.length - 1] : 0;
}

/**
 * @param {DraftStep} step
 * @param {number} node
 * @param {string | Seen} seen where it was read, or a text in its place
 * @param {Source[]} sources
 */
function nodeFacts(step, node, seen, sources) {
  const draft = step.draft, list = make('dl'), parts = [list];
  /** @param {string} name @param {string} value */
  const row = (name, value) => list.append(make('dt', {}, name), make('dd', {}, value));
  row('Token', label(draft.text[node], 40) + (draft.text[node] === '' ? ' (no visible text)' : '') + ', id ' + draft.ids[node]);
  const wanted = node ? draft.wants[draft.parent[node]] : null;
  row('Status', node ? STATUS_WORDS[draft.status[node]] + (draft.status[node] === 'x' && wanted !== null ? ', the model chose ' + label(wanted, 40) : '') : 'root, the last token so far');
  if (node) {
    const source = sources.find(({ name }) => name === draft.source[node]);
    row('Source', (source ? source.symbol + ' ' : '') + draft.source[node] + ', counted ' + plural(draft.count[node], 'time'));
    parts.push(make('p', {}, 'Chance of reaching this token: ' + (100 * draft.p[node]).toFixed(1) + ' % (' + ordinal(ranksOf(step)[node]) + ' of ' + (draft.p.length - 1) + ')'));
  }
  const after = draft.wants[node];
  parts.push(make('p', {}, after === null || after === undefined ? 'What the model would write after it depends on the path' : 'After it the model would write ' + label(after, 40)));
  if (node && seen) parts.push(readIn(seen));
  return parts;
}

/** @param {string | Seen} seen */
function readIn(seen) {
  if (typeof seen === 'string') return make('p', { 'data-seen': '' }, seen);
  if (seen.error) return make('p', { 'data-seen': '' }, 'Where it was read: ' + seen.error);
  const agree = seen.matched === 0 ? 'only this token matches' : 'with the ' + (seen.matched === 1 ? 'token' : seen.matched + ' tokens') + ' before it';
  const quote = make('q', {}, visible(seen.before), make('mark', {}, visible(seen.token)), visible(seen.after));
  return make('p', { 'data-seen': '' }, 'Read in ' + seen.where + ' (' + agree + '): ', quote);
}

/** A node in one line, for those who do not see it. @param {DraftStep} step @param {number} node */
export function describe(step, node) {
  const draft = step.draft;
  if (!node) return 'the root, the last token so far';
  const parts = [STATUS_WORDS[draft.status[node]]];
  const wanted = draft.wants[draft.parent[node]];
  if (draft.status[node] === 'x' && wanted !== null) parts.push('the model chose “' + label(wanted, 40) + '”');
  parts.push('source ' + draft.source[node], 'estimated ' + percent(draft.p[node]), 'rank ' + ranksOf(step)[node] + ' of ' + (draft.p.length - 1));
  return parts.join(', ');
}
