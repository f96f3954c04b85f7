// Moving through the steps: play, one step, the scrubber, speed.

import { fill, input, mark, on, one, put, within } from '../lib/dom.js';

/** @import { Mount } from '../types' */

const MARKUP = `
<div class="bar" role="group" aria-label="Step through the run">
  <button type="button" data-play aria-label="Play" title="Play or pause (Space)">▶</button>
  <button type="button" data-by="-1" aria-label="One step back" title="One step back (←)">‹</button>
  <button type="button" data-by="1" aria-label="One step on" title="One step on (→)">›</button>
  <input type="range" data-scrubber min="0" max="0" value="0" step="1" aria-label="Step" title="Each step is one forward pass; drag to see any of them">
  <output data-step-count>–</output>
  <label class="small" title="How fast ▶ plays">Speed
    <select data-speed aria-label="Playing speed">
      <option value="1">1 step/s</option>
      <option value="3" selected>3 steps/s</option>
      <option value="12">12 steps/s</option>
      <option value="40">40 steps/s</option>
    </select>
  </label>
  <label class="small check" title="Stay on the newest step while a run is in progress"><input type="checkbox" data-follow checked> Jump to newest step</label>
</div>
<p class="hint keys">Each step is one forward pass; step 0 reads the prompt. <kbd>←</kbd> <kbd>→</kbd> step, <kbd>Space</kbd> plays, <kbd>Home</kbd>/<kbd>End</kbd> jump.</p>`;

/** @type {Mount} */ export function mount(box, context) {
  fill(box, MARKUP, 'transport');
  const play = one(box, '[data-play]'), slider = input(box, '[data-scrubber]'), count = one(box, '[data-step-count]');
  const speed = input(box, '[data-speed]'), follow = input(box, '[data-follow]');
  let at = 0, playing = false;
  on(box, 'click', (event) => {
    const by = within(event, '[data-by]')?.dataset.by;
    if (by) context.go?.(at + Number(by));
  });
  on(play, 'click', () => context.play?.(!playing));
  on(slider, 'input', () => context.go?.(slider.value === slider.max ? Infinity : Number(slider.value)));  // newer steps may not be drawn yet
  on(speed, 'change', () => context.setSpeed?.(Number(speed.value)));
  on(follow, 'change', () => context.follow?.(follow.checked));
  return {
    draw(state) {
      const last = Math.max(0, state.run.steps.length - 1);
      at = state.step;
      playing = !!state.playing;
      slider.max = String(last);
      slider.value = String(at);
      slider.setAttribute('aria-valuetext', 'step ' + at + ' of ' + last);
      put(count, state.run.steps[at] ? 'step ' + at + ' / ' + last : '–');
      put(play, playing ? '❚❚' : '▶');
      mark(play, 'aria-label', playing ? 'Pause' : 'Play');
      if (state.speed && Number(speed.value) !== state.speed) speed.value = String(state.speed);
      if (state.following !== undefined) follow.checked = state.following;
    },
  };
}
