// What the page offers beside the panes: the examples behind its chips, Copy link and Present, and a picture of each pane.

import { savePane } from './export.js';
import { LINKED, linkTo } from './link.js';
import { all, make, on, put, within } from './lib/dom.js';
import { ofTimes } from './lib/speedup.js';

/** @import { Example, Run } from './types' */

/**
 * @typedef {object} Stage
 * @property {HTMLElement} element
 * @property {Example[]} examples
 * @property {(name: string) => Promise<string>} openExample answers what is against it
 * @property {() => { run: Run | undefined, step: number, example: string | null }} shown
 * @property {(on: boolean, pane?: string | null) => void} present
 */

/** @type {[text: string, attributes: Record<string, string>][]} */ const PICTURES = [
  ['PNG', { 'data-picture': 'png', title: 'This pane as a PNG, on white' }],
  ['SVG', { 'data-picture': 'svg', title: 'This pane as an SVG, transparent' }],
  ['Enlarge', { 'data-present': '', title: 'This pane alone, in large type (Esc ends it)' }],
];

/** Mounts them in the boxes that the layout has for them: `#page-tools`, and `[data-tools]` in a pane. The chips of the prompts are those of the examples, too. @param {Stage} stage */
export function mountTools(stage) {
  const { element, examples, openExample } = stage;
  const tools = pageTools(stage), show = () => {
    const place = document.querySelector('#page-tools');
    if (place && !place.contains(tools)) place.append(tools);
  };
  new MutationObserver(show).observe(document.querySelector('#bar') || document.body, { childList: true, subtree: true }); // Gradio may draw the bar after the stage, or once more
  show();
  for (const [name, pane] of Object.entries(LINKED)) {
    for (const section of all(element, '[data-pane=' + pane + ']')) addPictures(stage, section, name);
  }
  const models = [...new Set(examples.map(({ model }) => model.split('/').pop()))].join(', ');
  document.addEventListener('pointerover', (event) => {
    if (models) within(event, '#preset')?.setAttribute('title', 'A run of ' + models + ', recorded, with its speed beside greedy, its mistakes, and its prompt');
  });
  document.head.append(make('style', {}, examples.filter(({ seconds }) => seconds.length > 1).map(speedRule).join('\n')));
  document.addEventListener('change', (event) => {
    const chosen = within(event, '#preset input');
    const example = examples.find(({ title }) => chosen instanceof HTMLInputElement && title === chosen.value);
    if (example) openExample(example.name);
  });
}

/** The rules that write behind the chip of an example how much faster its run was than greedy, or slower. @param {Example} example */
function speedRule({ title, seconds: [mine, theirs] }) {
  const { times, kind } = ofTimes(mine, theirs);
  return '#preset label:has([value=' + CSS.escape(title) + '])::after { content: "' + times.replace('≈ ', '') + '"; margin-left: 5px; font-size: 12px; ' + (kind === 'faster' ? 'color: var(--ring); ' : '') + '}';
}

/** @param {Stage} stage */
function pageTools({ shown, present }) {
  const copy = make('button', { type: 'button', id: 'copy-link', title: 'An address that opens what you see, with the settings' }, 'Copy link');
  const show = make('button', { type: 'button', id: 'present', title: 'The stage alone, in large type: ← → step, Space plays, Esc ends it' }, 'Present');
  const says = make('span', { class: 'fact', role: 'status' });
  on(show, 'click', () => present(true));
  on(copy, 'click', async () => {
    const { step, example } = shown(), typed = sessionStorage.getItem('lookahead-typed') !== null; // else the preset in the address says it
    const text = (/** @type {string} */ name) => (typed && /** @type {HTMLTextAreaElement | null} */ (document.querySelector('#' + name + ' textarea'))?.value) || '';
    const texts = { document: text('document'), prompt: text('prompt'), expected: text('expected') };
    const { address, missing } = linkTo(location.href, { step, example, ...texts, pane: new URLSearchParams(location.search).get('pane') });
    history.replaceState(history.state, '', address);
    const copied = await navigator.clipboard?.writeText(address).then(() => true, () => false);
    put(says, (copied ? 'Copied' : 'The address bar has the link') + (missing ? ', without your ' + missing + ': too long for an address. Save the run instead.' : '.'));
    setTimeout(() => put(says, ''), 6000);
  });
  return make('div', { class: 'page-tools' }, copy, show, says);
}

/** @param {Stage} stage @param {HTMLElement} pane @param {string} name */
function addPictures({ shown, present }, pane, name) {
  const box = pane.querySelector('[data-tools]');
  if (!box) return;
  const buttons = [...PICTURES.map(([text, attributes]) => make('button', { type: 'button', class: 'link', ...attributes }, text)), ...all(box, '[data-as-file]')];
  box.append(make('details', { class: 'pictures', 'aria-label': 'Picture of this pane' }, make('summary', { title: 'This pane as a picture, or by itself', 'aria-label': 'This pane as a picture, or by itself' }, '⤓'), make('span', {}, ...buttons)));
  on(box, 'click', (event) => {
    const kind = within(event, '[data-picture]')?.dataset.picture, { run, step } = shown();
    if (within(event, 'button')) within(event, '.pictures')?.removeAttribute('open');
    if (within(event, '[data-present]')) present(true, name);
    if (kind !== 'png' && kind !== 'svg') return;
    savePane(pane, [run?.end?.file || 'run', name, 'step-' + step].join('-'), kind, kind === 'svg' ? 'transparent' : 'light').catch(console.warn);
  });
}
