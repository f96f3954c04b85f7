// Presenting to a class: the stage alone or one pane of it, in large type, without controls; and parts that a link hides.

import { PANES } from './link.js';
import { all } from './lib/dom.js';

const ON = 'presenting', ONE = 'presented', WORDS = 'data-hide';

/** Parts of the page that `hide=` in the address can name, besides the panes. @type {Record<string, string>} */
const PARTS = { controls: '#controls', settings: '#settings', figures: '#figures', files: '[data-pane=run_files]', model: '#model-chip, #model-picker', prompt: '#document, #prompt' };

/** Hides the parts of the page with these names. @param {string[]} names */
export function hideParts(names) {
  for (const name of names) {
    const selector = Object.hasOwn(PANES, name) ? '[data-pane=' + PANES[name] + ']' : PARTS[name];
    if (selector) for (const part of all(document, selector)) part.setAttribute(WORDS, '');
  }
}

/**
 * Presenting, for a stage; Escape ends it.
 * @param {HTMLElement} stage @param {() => void} changed called when the room of the panes has changed
 */
export function makePresenter(stage, changed) {
  const root = document.documentElement;

  /** @param {boolean} on @param {string | null} [pane] its name in links; null for the whole stage */
  function present(on, pane = null) {
    for (const other of all(stage, '.' + ONE)) other.classList.remove(ONE);
    root.classList.toggle(ON, on);
    const box = on && pane ? stage.querySelector('[data-pane=' + PANES[pane] + ']') : null;
    box?.classList.add(ONE);
    root.classList.toggle('one-pane', !!box);
    changed();
    if (on) scrollTo(0, 0);
  }

  document.addEventListener('keydown', (event) => { if (event.key === 'Escape' && root.classList.contains(ON)) present(false); });
  return { present, on: () => root.classList.contains(ON) };
}
