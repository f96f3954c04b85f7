// The draft tree of a step: the accepted path on top, the model's own token at its end, and a card at the node that is
// looked at. Where nothing was drafted, what could have been.

import { all, fill, focusIn, moveAmong, on, one, pointable, presses, put, set, within } from '../lib/dom.js';
import { SIGN, STATUS, ancestors, contextAt, draftsOff, followers, hasDraft, ownToken, pieceOf } from '../lib/runs.js';
import { cells, label, percent, plural } from '../lib/text.js';
import { drawTree } from '../lib/tree_picture.js';
import { describe, mount as mountDetails } from './node_details.js';

/** @import { DraftStep, Mount, Run, State, Step } from '../types' @import { Node } from '../lib/tree_picture' */

const MARKUP = `
<div class="head"><h2>Draft tree</h2><span class="fact" data-tree-fact></span><button type="button" class="link" data-more title="The tree is wider than its pane: scroll, or press" hidden></button><span class="tools" data-tools></span></div>
<div class="canvas" data-tree-box>
  <svg data-tree role="group" aria-label="Draft tree of this step; up and down move among its nodes"></svg>
  <p class="why" data-tree-none></p>
  <div data-detail popover="manual"></div>
</div>
<ul class="foot legend counts" aria-label="How the nodes of this step ended" title="␣ space, ⏎ line break, ∅ no visible text (e.g. “next letter is a capital”)">
  <li class="t-accepted">✓ <b data-count="accepted">0</b> accepted</li>
  <li class="t-rejected">✗ <b data-count="rejected">0</b> rejected</li>
  <li class="t-unchecked" title="An earlier token in the branch was rejected">○ <b data-count="unchecked">0</b> not reached</li>
  <li class="t-bonus">+ <b data-count="bonus">0</b> <span class="dots"><span class="wide">model’s </span>own</span></li>
</ul>`;

const PADDING = 12; // of the box
const STYLE = { gap: 18, height: 29, box: 23, radius: 6, x: 8, y: 15.5, cell: 7.25, smallCell: 6.7, around: 17 }, TIGHT_STYLE = { ...STYLE, smallCell: 7.25 };
const KINDS = ['ghost', 'unchecked', 'rejected', 'bonus', 'accepted'];
/** @type {Record<string, number>} */ const RANK = { accepted: 0, bonus: 1, rejected: 2, unchecked: 3, ghost: 4, root: 0 };
const MOST_GHOSTS = 4;
const MATCH_SHOWN = 22, MATCH_TIGHT = 10; // letters of the matched suffix at the root
const LEAST_SCALE = 0.9; // a wide tree shrinks so far, then it scrolls; in a tight pane it only scrolls
const TIGHT = 480; // pixels of a pane in which the nodes leave out their probabilities

/** @type {Mount} */ export function mount(box, context) {
  fill(box, MARKUP, 'draft-tree');
  /** @type {SVGElement} */ const svg = one(box, '[data-tree]');
  const place = one(box, '[data-tree-box]'), fact = one(box, '[data-tree-fact]'), none = one(box, '[data-tree-none]');
  const card = one(box, '[data-detail]'), details = mountDetails(card, context), counts = all(box, '[data-count]'), more = one(box, '[data-more]');
  /** @type {State | null} */ let drawn = null;
  /** @type {number | null} */ let at = null; // the node of the card
  let room = 0; // width of the box inside its padding

  pointable(place, 'data-node', context);
  on(place, 'keydown', (event) => {
    moveAmong(all(svg, '[data-node]'), event, (node) => focusIn(svg, node));
    const node = within(event, '[data-node]');
    if (node && presses(event)) { event.preventDefault(); context.pin?.(Number(node.dataset.node)); }
    if (event.key === 'Escape') context.pin?.(null);
  });
  on(place, 'click', (event) => { if (!within(event, '[data-node], [data-detail]')) context.pin?.(null); });
  on(place, 'scroll', () => { putCard(); tellMore(); }, true);
  on(more, 'click', () => place.scrollTo({ left: nextPlace(), behavior: 'smooth' }));

  function drawStep(/** @type {Step | undefined} */ step, /** @type {Run} */ run) {
    const kinds = [...step?.draft?.status || ''].map((letter) => STATUS[letter]).concat(step && ownToken(step) ? 'bonus' : []);
    for (const count of counts) put(count, String(kinds.filter((kind) => kind === count.dataset.count).length));
    put(none, step ? whyEmpty(step, run) : '');
    const had = all(svg, '[data-node]').find((node) => node === document.activeElement)?.dataset.node;
    const tight = room > 0 && room < TIGHT;
    put(fact, hasDraft(step) ? matched(step, run, tight) : '');
    const nodes = step ? nodesOf(step, run, tight) : [];
    const { width, height } = drawTree(svg, nodes, tight ? TIGHT_STYLE : STYLE, KINDS, context.still ? undefined : (i) => RANK[nodes[i].kind]);
    const scale = room > 0 && !tight ? Math.max(LEAST_SCALE, Math.min(1, room / width)) : 1;
    set(svg, { viewBox: '0 0 ' + width + ' ' + height, width: Math.floor(scale * width), height: Math.floor(scale * height) });
    if (!context.still) place.scrollTo(0, 0);
    if (had && hasDraft(step)) focusIn(svg, nodeAt(svg, Math.min(Number(had), step.draft.parent.length - 1)), true);
  }

  const beyond = () => place.scrollWidth - place.clientWidth;

  /** Where the button scrolls to: the end of the accepted path, then that of the tree, then back to the root. */
  function nextPlace() {
    const ends = all(svg, '.n-accepted, .n-bonus').map((node) => node.getBoundingClientRect().right), box = place.getBoundingClientRect();
    const most = beyond(), left = place.scrollLeft + Math.max(0, ...ends) - box.right + STYLE.gap;
    if (place.scrollLeft + 2 >= most) return 0;
    return left > place.scrollLeft + 2 && left < most - 2 * STYLE.gap ? left : most;
  }

  /** Whether more of the tree is to the right. */
  function tellMore() {
    const most = beyond(), cut = place.scrollLeft + 2 < most;
    more.hidden = most < 2;
    put(more, cut ? 'more ›' : '‹ root');
    place.toggleAttribute('data-cut', cut);
  }

  /** The card is below its node, or above it where there is no room; the browser shows it over everything. */
  function putCard() {
    const node = at === null ? null : svg.querySelector('[data-node="' + at + '"] rect');
    if (card.matches(':popover-open') !== !!node) card.togglePopover(!!node);
    if (!node) return;
    const zoom = card.currentCSSZoom || 1, { left, top, bottom: under } = node.getBoundingClientRect(), { width, height } = card.getBoundingClientRect();
    const end = svg.getBoundingClientRect().bottom, bottom = end - under < 4 * STYLE.height * zoom ? end : under; // under the whole tree where that is near
    card.style.left = Math.max(4, Math.min(left, innerWidth - width - 12)) / zoom + 'px';
    card.style.top = (bottom + 6 + height < innerHeight ? bottom + 6 : Math.max(4, top - height - 6)) / zoom + 'px';
  }

  return {
    draw(state) {
      const before = drawn, step = state.run.steps[state.step];
      drawn = state;
      if (!before) room = place.clientWidth - 2 * PADDING;
      if (before?.run !== state.run || before.run.steps[before.step] !== step) drawStep(step, state.run);
      mark(svg, step, state.node ?? null);
      details.draw(state);
      at = hasDraft(step) && (state.node ?? Infinity) < step.draft.parent.length ? Number(state.node) : null;
    },
    settle() { putCard(); tellMore(); },
    resize() { drawn = null; },
  };
}

/** The boxes of a step: the draft, the model's own token at the end of the path, and what could have been drafted where nothing was. @returns {Node[]} */
function nodesOf(/** @type {Step} */ step, /** @type {Run} */ run, tight = false) {
  const own = ownToken(step), nodes = hasDraft(step) ? draftNodes(step, run, tight) : [nodeOf(-1, 'root', '', plural(run.head.prompt.length, 'prompt token'), [], { role: 'img' })];
  if (own) nodes.push(nodeOf(step.path.at(-1) ?? 0, 'bonus', '+ ', label(own[1]), [], { role: 'img', 'aria-label': 'The model’s own token' }));
  return nodes.concat(hasDraft(step) ? ghosts(step, run) : []);
}

function draftNodes(/** @type {DraftStep} */ step, /** @type {Run} */ run, /** @type {boolean} */ tight) {
  const { draft } = step;
  return draft.parent.map((parent, i) => {
    const letter = draft.status[i], kind = STATUS[letter], wanted = letter === 'x' ? draft.wants[parent] : null;
    const says = { role: 'button', tabindex: i ? -1 : 0, 'data-node': i, 'data-status': kind, 'data-suffix': i ? 0 : step.match };
    const text = i ? label(draft.text[i]) : rootText(step, run, tight ? MATCH_TIGHT : MATCH_SHOWN);
    /** @type {Node['small']} */ const small = i && !tight ? [[' ' + (draft.source[i] === 'planted' ? 'planted' : percent(draft.p[i]).replace(' ', '\u202f'))]] : [];
    if (wanted !== null) small.push([' ≠ ' + label(wanted, 10), '', 'behind wanted']);
    return nodeOf(parent, kind, SIGN[letter], text, small, { ...says, 'aria-label': SIGN[letter] + label(draft.text[i]) + (wanted === null ? '' : ' ≠ ' + label(wanted, 10)) + ': ' + describe(step, i) });
  });
}

/** The root: the last token, with those before it that were recognised, as far as there is room. */
function rootText(/** @type {DraftStep} */ step, /** @type {Run} */ run, /** @type {number} */ most) {
  const { ids, end } = contextAt(run, step.i);
  let text = label(step.draft.text[0], most), more = step.match - 1;
  for (; more > 0; more--) {
    const before = pieceOf(run, ids[end - 1 - (step.match - more)]);
    if (!before || cells(text + label(before)) > most) break;
    text = label(before) + text;
  }
  return (more > 0 ? '…' : '') + text;
}

/** What was not drafted in a step without a draft, the likeliest first. */
function ghosts(/** @type {DraftStep} */ step, /** @type {Run} */ run) {
  if (step.draft.parent.length > 1 || run.method === 'plain' || draftsOff(run)) return [];
  const best = step.left_out?.best, seen = followers(run, step).map(([id, count]) => [label(pieceOf(run, id)), plural(count, 'time')]);
  const first = best ? [label(best.text), percent(best.p)] : [];
  const texts = [...(best ? [first] : []), ...seen.filter(([text]) => text !== first[0])].slice(0, MOST_GHOSTS);
  if (!texts.length) texts.push(['nothing seen', '']);
  return texts.map(([text, behind]) => nodeOf(0, 'ghost', '', text, behind ? [['  ' + behind]] : [], { role: 'img', 'data-ghost': '', 'aria-label': text + ' ' + behind + ', not drafted' }));
}

/** Why the tree of a step is empty, in words; '' where it is not. */
function whyEmpty(/** @type {Step} */ step, /** @type {Run} */ run) {
  if (!hasDraft(step)) return 'Step 0 reads the prompt in one pass; the first draft comes in the next step.';
  if (step.draft.parent.length > 1 || run.method === 'plain' || draftsOff(run)) return '';
  const { best } = step.left_out || { best: null }, pays = run.end?.pays;
  if (!best) return 'Not drafted: after ' + label(step.draft.text[0]) + ' nothing has been seen yet.';
  if (!pays || 1 + best.p >= pays) return 'Not drafted: ' + percent(best.p) + ' likely, too little to pay for a wider pass.';
  return 'Not drafted: with ' + label(best.text) + ' (' + percent(best.p) + ') a pass brings ' + (1 + best.p).toFixed(2) + ' tokens; here ' + pays.toFixed(2) + ' are needed to pay.';
}

/** @param {number} parent @param {string} kind @param {string} sign @param {string} text @param {Node['small']} small @param {Record<string, any>} attributes @returns {Node} */
function nodeOf(parent, kind, sign, text, small, attributes) {
  return { parent, kind, sign, text, small, attributes: { class: 'n-' + kind, ...attributes } };
}

/** What the draft came after; a tight pane has no room for what the sentence says, too. @param {DraftStep} step @param {Run} run @param {boolean} tight */
function matched(step, run, tight) {
  if (step.draft.parent.length < 2 && (run.method === 'plain' || draftsOff(run) || !step.match)) return 'no draft';
  if (step.draft.parent.length < 2) return 'no draft after a match of ' + plural(step.match, 'token');
  const guessed = tight ? '' : plural(step.draft.parent.length - 1, 'token') + ' guessed ';
  return guessed + (step.match ? 'after a match of ' + step.match : tight ? 'no match' : 'from the most frequent ones (no match)');
}

const nodeAt = (/** @type {Element} */ svg, /** @type {number} */ node) => one(svg, '[data-node="' + node + '"]');

/** A node that is pointed at, and its ancestors. */
function mark(/** @type {Element} */ svg, /** @type {Step | undefined} */ step, /** @type {number | null} */ node) {
  for (const other of all(svg, '.linked')) other.classList.remove('linked');
  if (!hasDraft(step) || node === null || node >= step.draft.parent.length) return;
  for (const at of ancestors(step.draft.parent, node)) nodeAt(svg, at).classList.add('linked');
}
