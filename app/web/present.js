// Presenting to a class: the stage alone or one pane of it, in large type, without controls; and parts that a link hides.

import { LINKED } from './link.js';
import { all, make } from './lib/dom.js';

const ON = 'presenting', ONE = 'presented';

/** Parts of the Watch page that `hide=` in the address can name. @type {Record<string, string>} */
const PARTS = {
  ...Object.fromEntries(Object.entries(LINKED).map(([name, pane]) => [name, '[data-pane=' + pane + ']'])),
  controls: '#ask', examples: '#preset', figures: '#figures', files: '[data-pane=run_files]', model: '#model-chip, #model-picker', settings: '#settings', tools: '#page-tools',
};

/** Hides the parts of the page with these names, also those that come later. @param {string[]} names @param {Record<string, string>} [parts] selectors by name */
export function hideParts(names, parts = PARTS) {
  const selectors = names.filter((name) => Object.hasOwn(parts, name)).map((name) => parts[name]);
  if (selectors.length) document.head.append(make('style', {}, selectors.join(', ') + ' { display: none !important; }'));
}

/**
 * What presents a stage, or ends that; Escape ends it, too.
 * @param {HTMLElement} stage @param {() => void} changed called when the room of the panes has changed
 */
export function makePresenter(stage, changed) {
  const root = document.documentElement;

  /** @param {boolean} on @param {string | null} [pane] its name in links; null for the whole stage */
  function present(on, pane = null) {
    for (const other of all(stage, '.' + ONE)) other.classList.remove(ONE);
    root.classList.toggle(ON, on);
    const box = on && pane ? stage.querySelector('[data-pane=' + LINKED[pane] + ']') : null;
    box?.classList.add(ONE);
    root.classList.toggle('one-pane', !!box);
    changed();
    if (on) scrollTo(0, 0);
  }

  document.addEventListener('keydown', (event) => { if (event.key === 'Escape' && root.classList.contains(ON)) present(false); });
  return present;
}
