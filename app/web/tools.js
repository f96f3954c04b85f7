// What the page offers beside the panes: the examples' recordings, Copy link and Present, and in each pane's head its picture as a file.

import { savePane } from './export.js';
import { linkTo, PANES } from './link.js';
import { all, make, on, put, within } from './lib/dom.js';

/** @import { Example, Run } from './types' */

/**
 * @typedef {object} Stage
 * @property {HTMLElement} element
 * @property {Example[]} examples
 * @property {(name: string) => Promise<string>} openExample answers what is against it
 * @property {() => { run: Run | undefined, step: number, example: string | null }} shown
 * @property {(on: boolean, pane?: string | null) => void} present
 */

const TEXT_FIELDS = ['#document textarea', '#prompt textarea'];
/** @type {[text: string, attributes: Record<string, string>][]} */ const PICTURES = [
  ['PNG', { 'data-picture': 'png', title: 'This pane as a PNG, on white' }],
  ['SVG', { 'data-picture': 'svg', title: 'This pane as an SVG, transparent' }],
  ['Enlarge', { 'data-present': '', title: 'This pane alone, in large type (Esc ends it)' }],
];

/** Mounts them; the layout may have boxes for them (`#page-tools`, `[data-tools]` in a pane). @param {Stage} stage */
export function mountTools(stage) {
  const { element } = stage, headline = element.querySelector('[data-pane=headline]');
  const presets = document.querySelector('#preset'), tools = pageTools(stage), box = document.querySelector('#page-tools');
  if (presets) openPresets(presets, stage);
  if (box) box.append(tools); else headline?.before(tools);
  for (const [name, pane] of Object.entries(PANES)) {
    for (const section of all(element, '[data-pane=' + pane + ']')) addPictures(stage, section, name);
  }
}

/** The bar's examples: one that is chosen is put into the fields by the page, and its recording takes the stage. @param {Element} presets @param {Stage} stage */
function openPresets(presets, { examples, openExample }) {
  const models = [...new Set(examples.map(({ model }) => model.split('/').pop() || model))];
  if (models.length) presets.setAttribute('title', 'Recorded with ' + models.join(', '));
  on(presets, 'change', (event) => {
    const chosen = examples.find(({ title }) => title === /** @type {HTMLInputElement} */ (event.target).value);
    if (chosen) openExample(chosen.name).then((problem) => problem && console.warn(problem));
  });
}

/** @param {Stage} stage */
function pageTools({ shown, present }) {
  const copy = make('button', { type: 'button', id: 'copy-link', title: 'An address that opens what you see, with the settings' }, 'Copy link');
  const show = make('button', { type: 'button', id: 'present', title: 'The stage alone, in large type: ← → step, Space plays, Esc ends it' }, 'Present');
  const says = make('span', { class: 'fact', role: 'status' });
  on(show, 'click', () => present(true));
  on(copy, 'click', async () => {
    const { step, example } = shown(), typed = sessionStorage.getItem('lookahead-typed') !== null; // else the preset in the address says it
    const [document, prompt] = TEXT_FIELDS.map((field) => (typed && /** @type {HTMLTextAreaElement | null} */ (globalThis.document.querySelector(field))?.value) || '');
    const { address, whole } = linkTo(location.href, { step, example, document, prompt, pane: new URLSearchParams(location.search).get('pane') });
    const copied = await navigator.clipboard?.writeText(address).then(() => true, () => false);
    history.replaceState(history.state, '', address);
    put(says, (copied ? 'Copied' : 'The address bar has the link') + (whole ? '.' : ', without your prompt: it is too long for an address. Save the run instead.'));
    setTimeout(() => put(says, ''), 6000);
  });
  return make('div', { class: 'page-tools' }, copy, show, says);
}

/** @param {Stage} stage @param {HTMLElement} pane @param {string} name */
function addPictures({ shown, present }, pane, name) {
  const box = pane.querySelector('[data-tools]') || pane.querySelector('.head')?.appendChild(make('span', { 'data-tools': '' }));
  if (!box) return;
  box.append(...PICTURES.map(([text, attributes]) => make('button', { type: 'button', class: 'link', ...attributes }, text)));
  on(box, 'click', (event) => {
    const kind = within(event, '[data-picture]')?.dataset.picture, { run, step } = shown();
    if (within(event, '[data-present]')) present(true, name);
    if (kind !== 'png' && kind !== 'svg') return;
    savePane(pane, [run?.end?.file || 'run', name, 'step-' + step].join('-'), kind, kind === 'svg' ? 'transparent' : 'light').catch(console.warn);
  });
}
