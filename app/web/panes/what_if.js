// What if: other settings on the finished run, replayed without the model.

import { asker } from '../lib/asker.js';
import { fill, make, on, one, put } from '../lib/dom.js';
import { mountKnobs } from '../lib/knobs.js';
import { isOver } from '../lib/runs.js';
import { number, passes } from '../lib/text.js';

/** @import { Mount, State, WhatIf } from '../types' */

const MARKUP = `
<div class="head">
  <h2>What if</h2><span class="fact">other settings on this whole run, replayed without the model</span>
  <span class="tools" data-tools><button type="button" class="link" data-reset title="Back to the settings of the run itself">Reset</button></span>
</div>
<div class="sides">
  <div class="knobs" data-knobs></div>
  <table><caption class="unseen">This run, and the same run with these settings</caption><thead><tr><td></td><th scope="col">This run</th><th scope="col">With these settings</th></tr></thead><tbody data-what-if-rows></tbody></table>
</div>
<p class="hint" data-what-if-hint role="status"></p>`;

/** @type {[name: string, title: string, digits: number, factor: number][]} */ const ROWS = [
  ['mean_accepted_tokens', 'Tokens per pass', 2, 1], ['acceptance_rate', 'Acceptance rate, %', 1, 100], ['forward_passes', 'Forward passes, the prompt’s included', 0, 1],
  ['draft_tokens_per_step', 'Draft tokens per step', 1, 1], ['decode_seconds', 'Decode time, ms', 0, 1000],
];

/** @type {Mount} */ export function mount(box, context) {
  fill(box, MARKUP, 'what-if');
  const rows = one(box, '[data-what-if-rows]'), hint = one(box, '[data-what-if-hint]');
  const knobs = mountKnobs(one(box, '[data-knobs]'), context.knobs, context.sources, replay);
  /** @type {State | null} */ let drawn = null;
  let setFor = '', waits = false; // for a run that is being timed

  /** @type {ReturnType<typeof asker<{ run: string, config: Record<string, any> }, WhatIf>>} */
  const ask = asker((question) => context.server.what_if(question), (answer, question) => {
    if (!drawn || drawn.run.id !== question.run) return;
    put(hint, answer.error || 'The tokens stay the same: verification fixes the output. ' + exactness(answer) + '≈ is estimated from the measured time of a pass of n tokens, T(n).');
    if (!answer.error) rows.replaceChildren(...ROWS.map((row) => rowOf(answer, ...row)));
  });

  function replay() {
    if (!drawn) return;
    waits = !isOver(drawn);
    if (!waits) return void ask({ run: drawn.run.id, config: knobs.values() });
    rows.replaceChildren();
    put(hint, 'Another run is being timed; these settings are replayed when it has finished.');
  }

  function reset() {
    if (!drawn) return;
    knobs.set(drawn.run.head.config, drawn.run.head.corpus);
    replay();
  }

  on(one(box, '[data-reset]'), 'click', reset);
  return {
    draw(state) {
      const { run } = drawn = state;
      const hidden = !run.end || run.method !== 'lookahead' || run.end.tokens < 2;
      if (box.hidden !== hidden) box.hidden = hidden;
      if (hidden) return;
      if (setFor !== run.id) { setFor = run.id; reset(); }
      else if (waits && isOver(state)) replay();
    },
  };
}

function rowOf(/** @type {WhatIf} */ answer, /** @type {string} */ name, /** @type {string} */ title, /** @type {number} */ digits, /** @type {number} */ factor) {
  const cell = (/** @type {number | null} */ value) => number(value === null ? null : factor * value, digits);
  const real = cell(answer.real[name]), estimate = cell(answer.estimate[name]);
  const about = name === 'decode_seconds' && estimate !== '–' ? '≈ ' : '';
  return make('tr', { 'data-what-if': name }, make('th', { scope: 'row' }, title), make('td', {}, real), make('td', real === estimate ? {} : { class: 'other' }, about + estimate));
}

/** If the replay with the run's own settings is the run itself, all that its drafts came from is known. */
function exactness(/** @type {WhatIf} */ answer) {
  if (answer.exact) return 'Passes and acceptance are exact; ';
  const was = Number(answer.real.forward_passes);
  const other = answer.again === was ? 'other steps' : passes(answer.again) + ' instead of ' + was;
  const why = answer.again > was ? ' It also drafted from data that this page does not have (earlier outputs or a corpus), or it was recorded with another version.' : '';
  return 'Not exact: replayed with its own settings, this run takes ' + other + '.' + why + ' Compare with that replay; ';
}
