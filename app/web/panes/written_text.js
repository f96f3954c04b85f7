// The text, token by token, grouped by the step that wrote it; it follows the step until somebody scrolls it.

import { all, fill, make, moveAmong, on, one, presses, put, set, within } from '../lib/dom.js';
import { contextAt, hasDraft, placeOfNode, placesRead } from '../lib/runs.js';
import { label, plural, visible } from '../lib/text.js';
import { estimateOf } from './node_details.js';

/** @import { DraftStep, Mount, Run, State, Step } from '../types' */

const MARKUP = `
<div class="head">
  <h2 title="Point at a token for its source, probability and rank; click it to go to its step">Text</h2>
  <span class="legend"><span class="k prompt">prompt</span><span class="k accepted">accepted</span><span class="k bonus">model’s own</span><span class="k now">this step</span><span class="k suffix" title="The last tokens, as far as the Trie knows them, and where it read them before">matched</span></span>
  <span class="tools" data-tools></span>
</div>
<div class="ribbon" data-ribbon role="region" aria-label="Prompt and generated text; up and down move among its tokens"></div>
<button type="button" class="elsewhere" data-elsewhere hidden></button>
<p class="foot"><span class="fact" data-token-says></span></p>`;

/** @type {Mount} */ export function mount(box, context) {
  fill(box, MARKUP, 'written-text');
  const ribbon = one(box, '[data-ribbon]'), says = one(box, '[data-token-says]'), elsewhere = one(box, '[data-elsewhere]');
  /** @type {State | null} */ let drawn = null;
  /** @type {HTMLElement[]} */ let groups = []; // one per step
  /** @type {Element[][]} */ let spans = []; // of every token of prompt and output
  let shaded = ''; // what of the text is marked
  let marked = -1; // the group of the current step
  let lit = 0; // groups up to here are past, those from here on are still to come
  /** @type {HTMLElement | null} */ let stop = null; // the token that the tab key leads to
  /** @type {Step | undefined | null} */ let toldOf = null; // the step that the line below is about; a run grows, so it is not asked what it was before
  let scrolledAway = false, touchedAt = -1e9;
  /** @type {HTMLElement | undefined} */ let leadsTo; // where the button over the text leads

  function clear(/** @type {Run} */ run) {
    spans = run.head.prompt.map((piece) => token(piece, 'prompt', 0));
    ribbon.replaceChildren(make('span', { class: 'prompt-text', role: 'group', 'aria-label': 'prompt' }, ...spans.flat()));
    if (spans.length !== run.head.prompt_ids?.length) spans = run.head.prompt_ids?.map(() => []) || [];
    groups = [];
    shaded = '';
    marked = -1;
    lit = 0;
    stop = null;
    scrolledAway = false;
  }

  /** Only the groups between the old place and the new one change. */
  function mark(/** @type {State} */ state) {
    const now = groups[state.step];
    if (!now) return;
    groups[marked]?.classList.remove('now');
    for (; lit <= state.step; lit++) groups[lit].classList.remove('ahead');
    for (; lit > state.step + 1; lit--) groups[lit - 1].classList.add('ahead');
    if (marked !== state.step) hold(now, state);
    marked = state.step;
    now.classList.add('now');
  }

  /** Marks what was recognised and where it was read before, and the place of the node that is looked at; not in a run that streams by. */
  function shade(/** @type {State} */ { run, step: at, node = null, live, following }) {
    const step = live && following ? undefined : run.steps[at], key = step ? at + ' ' + node : '';
    if (key === shaded || !run.head.prompt_ids) return;
    shaded = key;
    for (const name of ['suffix', 'read', 'told']) for (const span of all(ribbon, '.' + name)) span.classList.remove(name);
    if (!step?.draft) return;
    const { end } = contextAt(run, at), add = (/** @type {string} */ name, /** @type {number} */ from, /** @type {number} */ to) => {
      for (const span of spans.slice(Math.max(0, from), to).flat()) span.classList.add(name);
    };
    add('suffix', end - step.match, end);
    for (const place of placesRead(run, at, step.match)) add('read', place - step.match, place);
    if (!node || node >= step.draft.parent.length) return;
    const place = step.path.indexOf(node), read = placeOfNode(run, /** @type {DraftStep} */ (step), node);
    if (place >= 0) add('told', end + place, end + place + 1);
    if (read) add('told', ...read);
  }

  /** The tab stop follows the step; the focus, too, where the step is chosen by hand. */
  function hold(/** @type {HTMLElement} */ now, /** @type {State} */ state) {
    const focused = ribbon.contains(document.activeElement), first = now.firstElementChild;
    if (!(first instanceof HTMLElement) || (focused && (state.playing || state.live || now.contains(document.activeElement)))) return;
    stopAt(first, state.run);
    if (focused) first.focus({ preventScroll: true });
  }

  /** One token is a tab stop and has a name; the others are read as text. */
  function stopAt(/** @type {HTMLElement} */ span, /** @type {Run} */ run) {
    if (stop) for (const name of ['tabindex', 'role', 'aria-label']) stop.removeAttribute(name);
    stop = span;
    set(span, { tabindex: 0, role: 'button', 'aria-label': tokenSays(run, span) });
  }

  /** What the step wrote, in words, until a token is pointed at; the one with the focus comes first. */
  function tell() {
    if (!drawn) return;
    const step = toldOf = drawn.run.steps[drawn.step];
    put(says, stop && stop === document.activeElement ? tokenSays(drawn.run, stop) : step ? stepSays(step, !!drawn.summed && drawn.step < drawn.run.steps.length - 1) : '');
  }

  /** Whether it is above the part of the text that is in sight (-1), below it (1) or in it. */
  function side(/** @type {HTMLElement} */ { offsetTop, offsetHeight }) {
    return offsetTop + offsetHeight <= ribbon.scrollTop ? -1 : offsetTop >= ribbon.scrollTop + ribbon.clientHeight ? 1 : 0;
  }

  /** A button leads to the step if that is out of sight, else to where the matched tokens were read, the last place first. */
  function lead() {
    const now = groups[marked], still = drawn && !drawn.playing && !(drawn.live && drawn.following);
    const read = still ? /** @type {HTMLElement[]} */ (all(ribbon, '.read')) : [];
    const away = still && now && side(now), hidden = !away && read.length > 0 && read.every(side);
    leadsTo = away ? now : hidden ? read[read.length - 1] : undefined;
    elsewhere.hidden = !leadsTo;
    if (leadsTo) put(elsewhere, (side(leadsTo) < 0 ? '↑ ' : '↓ ') + (away ? 'back to this step' : side(leadsTo) < 0 ? 'matched above' : 'matched below'));
  }

  on(elsewhere, 'click', () => {
    if (!leadsTo) return;
    scrolledAway = leadsTo !== groups[marked];
    ribbon.scrollTop = Math.max(0, leadsTo.offsetTop - ribbon.clientHeight / 2);
    lead();
  });
  on(ribbon, 'click', (event) => {
    const span = within(event, '[data-step]');
    if (span) context.go?.(Number(span.dataset.step));
  });
  on(ribbon, 'mouseover focusin', (event) => {
    const span = within(event, '[data-step]');
    if (!span || !drawn) return;
    put(says, tokenSays(drawn.run, span));
    const step = drawn.run.steps[drawn.step], place = Number(span.dataset.place ?? NaN);
    if (Number(span.dataset.step) === drawn.step) context.point?.(step.path[place] ?? null);
  });
  on(ribbon, 'mouseleave focusout', () => { tell(); context.point?.(null); });
  on(ribbon, 'keydown', (event) => {
    moveAmong(all(ribbon, '[data-step]'), event, (span) => { if (drawn) stopAt(span, drawn.run); span.focus(); });
    if (stop && presses(event) && event.target === stop) { event.preventDefault(); stop.click(); }
  });
  on(ribbon, 'wheel touchmove pointerdown keydown', () => { touchedAt = performance.now(); }, true);
  // Whoever scrolls the text is left there until the step comes into sight again or is moved by hand.
  on(ribbon, 'scroll', () => {
    lead();
    if (performance.now() - touchedAt > 700) return;
    touchedAt = performance.now();
    const now = groups[marked];
    scrolledAway = !!now && side(now) !== 0;
  }, true);

  return {
    draw(state) {
      const before = drawn;
      drawn = state;
      if (!before || before.run !== state.run) clear(state.run);
      for (const step of state.run.steps.slice(groups.length)) {
        const group = groupOf(step);
        groups.push(group.element);
        spans.push(...group.spans);
        ribbon.append(group.element);
      }
      if (state.byHand) scrolledAway = false;
      mark(state);
      shade(state);
      ribbon.classList.toggle('playing', !!state.playing);
      if (toldOf !== state.run.steps[state.step] || before?.summed !== state.summed) tell();
    },
    settle() {
      const now = groups[marked];
      if (now && !scrolledAway) {
        const top = now.offsetTop, bottom = top + now.offsetHeight;
        if (top < ribbon.scrollTop + 8 || bottom > ribbon.scrollTop + ribbon.clientHeight - 12) {
          ribbon.scrollTop = Math.max(0, Math.min(top - 24, bottom - ribbon.clientHeight / 2));
        }
      }
      lead();
    },
  };
}

/** The elements of a token: a span per line. */
function token(/** @type {string} */ piece, /** @type {string} */ kind, /** @type {number} */ step) {
  return (piece.match(/[^\n]*\n|[^\n]+$|^$/g) || []).flatMap((line) => {
    const span = make('span', { 'data-step': step, 'data-kind': kind }, visible(line));
    return line.endsWith('\n') ? [span, make('br')] : [span];
  });
}

function groupOf(/** @type {Step} */ step) {
  const accepted = step.emitted.filter(([, , kind]) => kind === 'accepted').length, own = step.emitted.length - accepted;
  const says = [accepted && accepted + ' accepted', own && own + ' bonus'].filter(Boolean).join(', ');
  const spans = step.emitted.map(([, piece, kind], place) => token(piece, kind, step.i).map((part) => set(part, { 'data-place': place })));
  return { spans, element: make('span', { class: 'group ahead', role: 'group', 'aria-label': 'step ' + step.i + ': ' + says }, ...spans.flat()) };
}

/** What a step wrote; `tells`: it is shown because it tells most of its run. @param {Step} step @param {boolean} tells */
function stepSays(step, tells) {
  if (!step.draft) return 'Step 0 read the prompt and wrote the first token.';
  const own = step.emitted.length > step.path.length ? ', 1 the model’s own.' : '.';
  return 'Step ' + step.i + (tells ? ', the most telling, wrote ' : ' wrote ') + plural(step.emitted.length, 'token') + ': ' + (step.path.length || 'none') + ' accepted' + own;
}

function tokenSays(/** @type {Run} */ run, /** @type {HTMLElement} */ span) {
  if (span.dataset.kind === 'prompt') return 'The prompt, which step 0 read.';
  const step = run.steps[Number(span.dataset.step)], place = Number(span.dataset.place);
  if (!step) return '';
  const name = '“' + label(step.emitted[place][1], 24) + '”, step ' + step.i + ': ';
  if (span.dataset.kind === 'bonus' || !hasDraft(step)) return name + 'the model’s own token.';
  return name + 'accepted draft token, ' + estimateOf(step, step.path[place]) + '.';
}
