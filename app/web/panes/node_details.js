// One draft node: what is known of it, and where its token was read before.

import { answerTo } from '../lib/asker.js';
import { fill, make, signOf } from '../lib/dom.js';
import { STATUS, hasDraft, isOver, ranksOf } from '../lib/runs.js';
import { label, ordinal, percent, plural, visible } from '../lib/text.js';

/** @import { Answer, DraftStep, Mount, NodeSeen, Source } from '../types' @typedef {Answer<NodeSeen>} Seen */

const ASK_AFTER = 80; // milliseconds that a node must be pointed at before the server is asked
/** @type {Record<string, string>} */ const STATUS_WORDS = { ...STATUS, u: 'not reached' };

/** @type {Mount} */
export function mount(box, context) {
  const facts = make('div'), hint = make('p', { class: 'hint' }, 'Point at a node, or click it, for its details and where it was read before.');
  fill(box, '', 'node-details');
  box.append(facts, hint);
  /** @type {number | undefined} */ let timer;
  /** @type {unknown[]} */ let drawn = [];

  function show(/** @type {DraftStep | null} */ step, /** @type {number | null} */ node, /** @type {string | Seen} */ seen) {
    facts.replaceChildren(...(step ? nodeFacts(step, node ?? tellingNode(step), node === null ? '' : seen, context.sources) : []));
    hint.hidden = node !== null;
  }

  return {
    draw(state) {
      const { run } = state, found = run.steps[state.step], step = hasDraft(found) ? found : null;
      const node = step && (state.node ?? Infinity) < step.draft.parent.length ? Number(state.node) : null;
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
  };
}

/** The node that says most: the first rejected one, since it tells why the path ended; else the last accepted one. */
function tellingNode(/** @type {DraftStep} */ { draft, path }) {
  const rejected = draft.status.indexOf('x');
  return rejected > 0 ? rejected : path.at(-1) ?? 0;
}

/** What became of a node, and what the model chose instead of it: in words, the latter as a label or ''. */
function fateOf(/** @type {DraftStep} */ { draft }, /** @type {number} */ node) {
  const wanted = draft.status[node] === 'x' ? draft.wants[draft.parent[node]] : null;
  return { status: STATUS_WORDS[draft.status[node]], wanted: wanted === null ? '' : label(wanted, 40) };
}

/** @param {DraftStep} step @param {number} node @param {string | Seen} seen where it was read, or a text in its place @param {Source[]} sources */
function nodeFacts(step, node, seen, sources) {
  const { draft } = step, { status, wanted } = fateOf(step, node), after = draft.wants[node];
  const row = (/** @type {string} */ name, /** @type {(string | Node)[]} */ ...value) => [make('dt', {}, name), make('dd', {}, ...value)];
  const rows = row('Token', '“' + label(draft.text[node], 40) + '”' + (draft.text[node] === '' ? ' (no visible text)' : '') + ', id ' + draft.ids[node]);
  rows.push(...row('Status', node ? status + (wanted && ', the model chose ' + wanted) : 'root, the last token so far'));
  const parts = [make('p', {}, after === null || after === undefined ? 'What the model would write after it depends on the path' : 'After it the model would write ' + (after ? '“' + label(after, 40) + '”' : 'a token without visible text'))];
  if (node) {
    const source = sources.find(({ name }) => name === draft.source[node]), sign = source ? [signOf(source), ' '] : [];
    rows.push(...row('Source', ...sign, draft.source[node] + ', ' + (source?.chance || 'counted ' + plural(draft.count[node], 'time'))));
    const rank = ordinal(ranksOf(step)[node]) + ' of ' + (draft.p.length - 1);
    parts.unshift(make('p', {}, 'Chance of reaching this token: ' + (100 * draft.p[node]).toFixed(1) + ' % (' + rank + ')'));
    if (seen) parts.push(make('p', { 'data-seen': '' }, ...readIn(seen)));
  }
  return [make('dl', {}, ...rows), ...parts];
}

function readIn(/** @type {string | Seen} */ seen) {
  if (typeof seen === 'string') return [seen];
  if (seen.error) return ['Where it was read: ' + seen.error];
  const agree = seen.matched === 0 ? 'only this token matches' : 'with the ' + (seen.matched === 1 ? 'token' : seen.matched + ' tokens') + ' before it';
  const place = seen.place ? ', token ' + seen.place[0] + ' of ' + seen.place[1] : '';
  return ['Read in ' + seen.where + place + ' (' + agree + '): ', make('q', {}, visible(seen.before), make('mark', {}, visible(seen.token)), visible(seen.after))];
}

/** A node's source, probability and rank, in words. */
export function estimateOf(/** @type {DraftStep} */ step, /** @type {number} */ node) {
  const { source, p } = step.draft;
  return 'source ' + source[node] + ', estimated ' + percent(p[node]) + ', rank ' + ranksOf(step)[node] + ' of ' + (p.length - 1);
}

/** A node in one line, for those who do not see it. */
export function describe(/** @type {DraftStep} */ step, /** @type {number} */ node) {
  if (!node) return 'the root, the last token so far';
  const { status, wanted } = fateOf(step, node);
  return status + (wanted && ', the model chose “' + wanted + '”') + ', ' + estimateOf(step, node);
}
