// The settings that were tried: a heat map over two of their axes, and all of them with the peers by speed.

import { choice, copier, make, picker, press } from './dom.js';
import { flagsOf, number, paying, settingOf, settingsText, times } from './words.js';

/** @import { Around, Study, Variant } from './study' */

const MOST = 40; // entries of the list
const FOLLOW = 'Other settings are tried when the runs are over. Stop ends them early.';

/** @param {HTMLElement} box @param {Around} around */
export function mountHeatMap(box, around) {
  /** @type {Study | null} */ let study = null;
  let [across, down] = ['', ''];
  /** @type {Variant | null} */ let chosen = null; // the cell that was pressed
  let follow = false;
  const controls = make('div', { class: 'controls' }), place = make('div', { class: 'scroll' }), says = make('p', { class: 'says' });
  box.append(controls, place, says);

  function render() {
    if (!study) return;
    const grid = study.variants.filter(({ peer, label }) => !peer && label !== 'B'), axes = axesOf(study, grid), names = Object.keys(axes);
    if (!names.includes(across)) across = names[0] || '';
    if (!names.includes(down) || down === across) down = names.find((name) => name !== across) || '';
    controls.replaceChildren(...(names.length > 1 ? [
      make('label', { class: 'pick' }, '→ ', picker('Across', names, across, (name) => { if (name === down) down = across; across = name; render(); })),
      make('label', { class: 'pick' }, '↓ ', picker('Down', names, down, (name) => { if (name === across) across = down; down = name; render(); })),
    ] : []));
    place.replaceChildren(...(across ? [tableOf(study, grid, axes, across, down, (one) => { chosen = one; tell(); })] : []));
    if (chosen && !grid.includes(chosen)) chosen = null;
    tell(names);
  }

  /** @param {string[]} [names] of the axes */
  function tell(names = []) {
    if (!study) return;
    if (chosen) return says.replaceChildren(make('b', {}, chosen.label + ': ' + number(worth(chosen))), ' ', ...takes(study, chosen, around));
    says.textContent = across ? 'Times faster than plain decoding, by T(n)' + (names.length > 2 ? '; each cell is the best over all other settings.' : '.') + ' Press one to copy or try it.' : follow ? FOLLOW : 'No settings were tried. Turn on “Try other settings” and run again.';
    if (across && !study.machines.length) says.textContent = 'Tokens per pass: without T(n) nothing more is known.';
  }

  return { show(/** @type {Study} */ next, later = false) { [study, follow] = [next, later]; render(); } };
}

/** The value of an axis for a variant: what it does not change is the study's own. @param {Study} study @param {Variant} variant @param {string} name */
const valueOf = (study, { config, start }, name) => (name === 'start' ? start : name in config ? config[name] : study.config[name]);

/** Names of the settings of which more than one value was tried, with the values in order. @param {Study} study @param {Variant[]} grid */
export function axesOf(study, grid) {
  /** @type {Record<string, any[]>} */ const axes = {};
  for (const name of [...new Set(grid.flatMap(({ config }) => Object.keys(config))), 'start']) {
    const values = new Map(grid.map((variant) => [key(valueOf(study, variant, name)), valueOf(study, variant, name)]));
    if (values.size > 1) axes[name] = [...values.values()].sort((a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : a === null ? 1 : b === null ? -1 : 0));
  }
  return axes;
}

const key = (/** @type {any} */ value) => JSON.stringify(value ?? null);
const words = (/** @type {any} */ value) => (value === null || value === undefined ? 'free' : Array.isArray(value) ? value.join(' + ') || 'none' : String(value));
const worth = (/** @type {Variant} */ { modelled_speedup: speedup, tokens_per_pass: tokens }) => speedup ?? tokens ?? 0;

/** @param {Study} study @param {Variant[]} grid @param {Record<string, any[]>} axes @param {string} across @param {string} down @param {(one: Variant) => void} press */
function tableOf(study, grid, axes, across, down, press) {
  /** @type {Map<string, Variant>} */ const best = new Map();
  for (const one of grid) {
    const cell = key(valueOf(study, one, across)) + key(down ? valueOf(study, one, down) : null), held = best.get(cell);
    if (!held || worth(one) > worth(held)) best.set(cell, one);
  }
  const values = [...best.values()].map(worth), [low, high] = [Math.min(...values), Math.max(...values)], top = [...best.values()].find((one) => worth(one) === high);
  const head = make('tr', {}, make('td', {}), ...axes[across].map((value) => make('th', { scope: 'col' }, words(value))));
  const rows = (down ? axes[down] : [null]).map((value) => make('tr', {}, make('th', { scope: 'row' }, down ? words(value) : ''), ...axes[across].map((other) => cellOf(best.get(key(other) + key(down ? value : null)), top, low, high, press))));
  return make('table', { class: 'heat', 'data-heat': '' }, make('caption', { class: 'unseen' }, 'Best by ' + across + (down ? ' and ' + down : '')), make('thead', {}, head), make('tbody', {}, ...rows));
}

/** @param {Variant | undefined} one @param {Variant | undefined} top the best of all @param {number} low @param {number} high @param {(one: Variant) => void} pressed */
function cellOf(one, top, low, high, pressed) {
  if (!one) return make('td', {}, '–');
  const value = worth(one), strength = high > low ? (value - low) / (high - low) : 0.5;
  const attributes = { class: 'cell' + (one === top ? ' best' : ''), style: '--strength: ' + Math.round(6 + 64 * strength) + '%', title: one.label + ': ' + settingsText(one.config) };
  return make('td', {}, press(number(value), () => pressed(one), attributes));
}

/** Buttons that copy a setting as flags, and try it as B. @param {Study} study @param {{ config: Record<string, any>, start: string }} one @param {Around} around @param {boolean} [tries] */
function takes(study, one, around, tries = true) {
  const words = flagsOf(study, one, around.settings);
  return [...(tries && around.use ? [press('Try as B', () => around.use?.(settingOf(one)), { class: 'link' }), ' '] : []), ...(words ? [copier(words)] : [])];
}

/** @param {HTMLElement} box @param {Around} around */
export function mountRanking(box, around) {
  const place = make('div', { class: 'scroll bars ranking' }), says = make('p', { class: 'says' });
  box.append(place, says);
  return {
    show(/** @type {Study} */ study, follow = false) {
      const byT = study.machines.length > 0, own = { label: 'A (these settings)', peer: false, config: {}, start: 'cold', value: byT ? study.total.modelled_speedup : study.total.tokens_per_pass, own: true };
      const others = study.variants.map((one) => ({ ...one, value: byT ? one.modelled_speedup : one.tokens_per_pass, own: false }));
      const ranked = [own, ...others.sort((a, b) => Number(b.value) - Number(a.value))].filter(({ value }) => value !== null); // A stays on top
      const shown = ranked.filter((one, i) => i < MOST || one.own || one.peer || one.label === 'B'), most = Math.max(1, ...shown.map(({ value }) => Number(value)));
      place.replaceChildren(...shown.map((one) => make('div', { class: 'bar-row' + (one.own ? ' own' : ''), title: one.label + ': ' + settingsText(one.config) },
        make('span', { class: 'name' }, one.label + (one.peer ? ' ◇' : '')), make('span', { class: 'bar' }, make('i', { class: one.own ? 'a' : one.peer ? 'u' : 'g', style: 'width: ' + (100 * Number(one.value) / most).toFixed(1) + '%' })),
        make('span', { class: 'value' }, make('b', { class: byT ? paying(one.value) : '' }, byT ? times(one.value) : number(one.value))),
        make('span', { class: 'small' }, ...(one.peer ? [] : takes(study, one, around, !one.own && one.label !== 'B'))))));
      says.textContent = (byT ? 'Times faster than plain decoding, by T(n) and the time of drafting. ' : 'Tokens per pass. ') + (others.some(({ peer }) => peer) ? '◇ other methods on the same outputs.' : follow ? FOLLOW : '');
    },
  };
}

/** The pane of whether it pays: three views of which one is shown. @param {HTMLElement} box @param {Record<string, [title: string, mount: (place: HTMLElement) => import('./study').Picture]>} views */
export function mountViews(box, views) {
  const names = Object.keys(views), places = names.map((name) => make('div', { class: 'body', 'data-view': name }));
  const titles = Object.fromEntries(names.map((name) => [name, views[name][0]]));
  const show = (/** @type {string} */ name) => places.forEach((place) => { place.hidden = place.dataset.view !== name; });
  const tools = make('span', { class: 'tools' }, choice('View', titles, names[0], show));
  box.append(make('div', { class: 'head' }, make('h2', {}, 'Does it pay?'), tools), ...places);
  const pictures = names.map((name, i) => views[name][1](places[i]));
  show(names[0]);
  return { tools, show: (/** @type {Study} */ study, follow = false) => pictures.forEach((picture) => picture.show(study, follow)) };
}
