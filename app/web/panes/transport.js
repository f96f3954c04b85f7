// The timeline: a bar per pass (accepted, the model's own, wasted) that is also the scrubber; play, one step, speed.

import { fill, input, mark, on, one, put, set, within } from '../lib/dom.js';
import { knownStep } from '../lib/runs.js';

/** @import { Mount, Step } from '../types' */

const MARKUP = `
<div class="bar" role="group" aria-label="Step through the run">
  <span class="moves">
    <button type="button" data-play aria-label="Play" title="Play or pause (P)">▶</button>
    <button type="button" data-by="-1" aria-label="One step back" title="One step back (←)">‹</button>
    <button type="button" data-by="1" aria-label="One step on" title="One step on (→)">›</button>
    <button type="button" data-next-phase aria-label="Next phase" title="Next phase: retrieve, draft, verify, accept (Space)">⇥</button>
  </span>
  <span class="timeline" data-timeline>
    <svg aria-hidden="true" preserveAspectRatio="none"><path class="t-own"/><path class="t-took"/><path class="t-waste"/><rect class="t-ahead" y="0"/><rect class="t-now" y="0" width="1"/></svg>
    <input type="range" data-scrubber min="0" max="0" value="0" step="1" aria-label="Step" title="Each bar is one forward pass; drag to see any of them. ← → step, Space next phase, P plays, Home and End jump">
  </span>
  <span class="now">
    <span><output data-step-count>–</output>
    <select data-speed aria-label="Playing speed" title="How fast ▶ plays">
      <option value="0">phases</option>
      <option value="1">1 step/s</option>
      <option value="3" selected>3 steps/s</option>
      <option value="12">12 steps/s</option>
      <option value="40">40 steps/s</option>
    </select></span>
    <label class="small check" data-following title="Stay on the newest step while a run is in progress" hidden><input type="checkbox" data-follow checked> Jump to newest step</label>
    <span class="small" data-bars>${['took', 'own', 'waste'].map((name, i) => `<svg viewBox="0 0 10 10" aria-hidden="true"><path class="t-${name}" d="M1 1H9V9H1z"/></svg>${['accepted', 'own', 'wasted'][i]}`).join(' ')}</span>
  </span>
</div>`;

const LEAST = 6, LEAST_LIVE = 16; // passes that the timeline has room for, so that the first bars of a run are hardly wider than later ones
const MANY = 50; // bars that are too narrow for outlines
const TALL = 100, OWN = 12, GAP = 0.12; // height of the picture and of the model's own token; between bars, in bars

/** @type {Mount} */ export function mount(box, context) {
  fill(box, MARKUP, 'transport');
  const play = one(box, '[data-play]'), slider = input(box, '[data-scrubber]'), count = one(box, '[data-step-count]');
  const speed = input(box, '[data-speed]'), follow = input(box, '[data-follow]'), following = one(box, '[data-following]'), legend = one(box, '[data-bars]');
  const drawBars = bars(one(box, '[data-timeline]'), slider);
  on(box, 'click', (event) => {
    const by = within(event, '[data-by]')?.dataset.by;
    if (by) context.goBy?.(Number(by)); // the step that is looked at may not be drawn yet
    if (within(event, '[data-next-phase]')) context.nextPhase?.();
  });
  on(play, 'click', () => context.turn?.());
  on(slider, 'input', () => context.go?.(slider.value === slider.max ? Infinity : Number(slider.value)));  // newer steps may not be drawn yet
  on(speed, 'change', () => context.setSpeed?.(Number(speed.value)));
  on(follow, 'change', () => context.follow?.(follow.checked));
  return {
    draw(state) {
      const last = Math.max(0, state.run.steps.length - 1), at = state.step, playing = !!state.playing;
      slider.max = String(last);
      slider.value = String(at);
      mark(slider, 'aria-valuetext', 'step ' + at + ' of ' + last + (state.phase ? ', ' + state.phase : ''));
      if (state.pictured ?? true) drawBars(state.run.steps, at, state.live ? LEAST_LIVE : LEAST, knownStep(state));
      put(count, state.run.steps[at] ? 'step ' + at + ' / ' + last : '–');
      put(play, playing ? '❚❚' : '▶');
      mark(play, 'aria-label', playing ? 'Pause' : 'Play');
      if (state.speed !== undefined && Number(speed.value) !== state.speed) speed.value = String(state.speed);
      if (state.following !== undefined) follow.checked = state.following;
      if (following.hidden !== !state.live) legend.hidden = !(following.hidden = !state.live);
    },
  };
}

/** What draws the bars of a run's first steps and marks one; each step is added once. @param {HTMLElement} place @param {HTMLInputElement} slider */
function bars(place, slider) {
  const svg = one(place, 'svg'), [own, took, waste] = ['.t-own', '.t-took', '.t-waste'].map((name) => one(svg, name)), ahead = one(svg, '.t-ahead'), now = one(svg, '.t-now');
  /** @type {Step[]} */ let drawn = [];
  let most = 0, many = 0, wide = 0, paths = ['', '', ''];

  /** Heights grow with the square root, so that two tokens are seen beside sixty. */
  const height = (/** @type {number} */ tokens) => (TALL - OWN) * Math.sqrt(tokens / Math.max(8, most));
  const bar = (/** @type {number} */ i, /** @type {number} */ low, /** @type {number} */ high) => (high > low ? `M${i + GAP} ${(TALL - low).toFixed(1)}V${(TALL - high).toFixed(1)}H${i + 1 - GAP}V${(TALL - low).toFixed(1)}z` : '');

  function add(/** @type {Step} */ step, /** @type {number} */ i) {
    const right = step.path.length, drafted = step.draft ? step.draft.parent.length - 1 : 0;
    paths[0] += step.emitted.length > right ? bar(i, 2, OWN - 2) : '';
    paths[1] += bar(i, OWN, OWN + height(right));
    paths[2] += bar(i, OWN + height(right), OWN + height(drafted));
  }

  return (/** @type {Step[]} */ steps, /** @type {number} */ at, /** @type {number} */ least, /** @type {number} */ known) => {
    const tallest = steps.slice(drawn === steps ? many : 0).reduce((most, { draft }) => Math.max(most, draft ? draft.parent.length - 1 : 0), drawn === steps ? most : 0);
    if (drawn !== steps || tallest > most) {
      drawn = steps;
      most = tallest;
      many = 0;
      paths = ['', '', ''];
    }
    const room = Math.max(least, steps.length);
    if (many < steps.length || !many || room !== wide) {
      wide = room;
      for (; many < steps.length; many++) add(steps[many], many);
      [own, took, waste].forEach((path, i) => set(path, { d: paths[i] }));
      set(svg, { viewBox: '0 0 ' + room + ' ' + TALL });
      place.parentElement?.classList.toggle('many', room > MANY); // the legend looks as the bars do
      slider.style.setProperty('--thumb', (100 / Math.max(1, steps.length)).toFixed(3) + '%');
      slider.style.width = (100 * steps.length / room).toFixed(3) + '%';
    }
    set(now, { x: at, height: TALL });
    set(ahead, { x: known + 1, width: Math.max(0, room - known - 1), height: TALL });
  };
}
