// Saving and opening run files, and keeping a run beside the next one.

import { button, fill, input, mark, on, one, put } from '../lib/dom.js';
import { isOver } from '../lib/runs.js';

/** @import { Mount } from '../types' */

const MARKUP = `
<span class="hint" data-file-hint role="status"></span>
<button type="button" class="link" data-keep aria-pressed="false" title="Keep this run on the stage: the next run, with other settings or another model, is shown beside it. So is a run file that is opened.">Keep run</button>
<button type="button" class="link" data-save title="A run file holds every step of a run as JSON">Save run</button>
<label class="button" title="Open a run file"><input type="file" data-open accept=".json,application/json" aria-label="Open run"><span aria-hidden="true">Open run</span></label>`;

const MOST_BYTES = 32e6;

/** @type {Mount} */ export function mount(box, context) {
  fill(box, MARKUP, 'run-files');
  const save = button(box, '[data-save]'), keep = button(box, '[data-keep]'), open = input(box, '[data-open]'), hint = one(box, '[data-file-hint]');
  let opens = 0;
  on(save, 'click', async () => {
    const says = await context.save?.();
    if (says) put(hint, says);
  });
  on(keep, 'click', () => context.keep?.());
  on(open, 'change', async () => {
    const file = open.files && open.files[0];
    if (!file) return;
    open.value = '';  // at once: cleared at the end, it would take away a file that was chosen meanwhile
    const mine = ++opens;
    put(hint, 'Opening ' + file.name + ' …');
    const problem = file.size > MOST_BYTES ? 'larger than 32 MB' : await context.open?.(file);
    if (mine === opens) put(hint, file.name + (problem ? ': ' + problem : ' is open.'));
  });
  return {
    draw(state) {
      save.disabled = !isOver(state);
      keep.disabled = !state.run.end && !state.kept;
      mark(keep, 'aria-pressed', String(!!state.kept));
      put(keep, state.kept ? 'Kept' : 'Keep run');
    },
  };
}
