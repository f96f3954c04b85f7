// Settings A and B: controls made from the library's descriptions, in cards that open from the bar.

import { all, input, on, one, put } from '../lib/dom.js';
import { mountKnobs } from '../lib/knobs.js';

/** @import { Knob, Source } from '../types' */

/** @typedef {Record<string, any>} Config */

/** What B's replays of a prompt know; A's runs start cold. @type {Knob} */
const START = { name: 'start', kind: 'choice', default: 'cold', label: 'Start', help: 'cold: an empty trie for every prompt. warm: the trie keeps the outputs of the earlier prompts, in the order of the file; to run like that use one LookaheadEngine, bench --warm, or “Keep the trie between runs” on Watch.', low: 0, high: 0, choices: ['cold', 'warm'], optional: false };

/** @param {Knob[]} knobs @param {Source[]} sources @param {boolean} corpus @param {() => void} changed */
export function mountSettings(knobs, sources, corpus, changed) {
  const own = { a: knobs, b: [...knobs, START] }, defaults = Object.fromEntries(knobs.map((knob) => [knob.name, knob.default]));
  /** @type {{ a: Config, b: Config | null }} */ const now = { a: { ...defaults }, b: null };
  const cards = { a: cardOf('a'), b: cardOf('b') };

  function cardOf(/** @type {'a' | 'b'} */ name) {
    const card = mountKnobs(one(document, '[data-knobs=' + name + ']'), own[name], sources, () => {
      now[name] = card.values();
      tell();
    });
    return card;
  }

  /** Takes settings over; what they do not name stays as in A. @param {'a' | 'b'} name @param {Config | null} config */
  function set(name, config) {
    const known = config && Object.fromEntries(own[name].filter((knob) => knob.name in config).map((knob) => [knob.name, config[knob.name] ?? 0]));
    if (name === 'a') now.a = { ...defaults, ...known };
    else now.b = known && { ...now.a, start: START.default, ...known };
    if (now[name]) cards[name].set(/** @type {Config} */ (now[name]), corpus);
    tell();
  }

  function tell() {
    put(one(document, '[data-says=a]'), words(now.a));
    put(one(document, '[data-says=b]'), now.b ? words(now.b) : '');
    one(document, '.second').hidden = !now.b;
    one(document, '[data-add-b]').hidden = !!now.b;
    changed();
  }

  /** What is not the default, or the width and the budget. @param {Config} config */
  function words(config) {
    const other = own.b.filter(({ name, default: usual }) => name in config && !['budget', 'decoding_length'].includes(name) && String(config[name]) !== String(usual));
    return [config.budget, config.decoding_length, ...other.map(({ name }) => (Array.isArray(config[name]) ? config[name].join('+') || 'no sources' : name === 'branch_length' ? 'branch ' + config[name] : config[name]))].join(' · ');
  }

  on(one(document, '[data-add-b]'), 'click', () => { set('b', {}); openCard('b', one(document, '[data-open=b]')); });
  on(one(document, '[data-drop-b]'), 'click', () => { set('b', null); one(document, '[data-add-b]').focus(); });
  on(one(document, '[data-reset=a]'), 'click', () => set('a', {}));
  on(one(document, '[data-reset=b]'), 'click', () => set('b', {}));
  set('a', {});
  set('b', null);
  return { set, list: () => [now.a, ...(now.b ? [now.b] : [])] };
}

/** Opens a card under the button that asks for it. @param {string} name @param {HTMLElement} button */
function openCard(name, button) {
  const card = one(document, '[data-card=' + name + ']'), { left, bottom } = button.getBoundingClientRect();
  card.style.setProperty('--left', Math.max(12, Math.min(left, innerWidth - 640)) + 'px');
  card.style.setProperty('--top', bottom + 6 + 'px');
  card.showPopover(); // closed by Escape or a press elsewhere
  /** @type {HTMLElement | null} */ (card.querySelector('input:not([type=file]), select, textarea, button'))?.focus({ preventScroll: true });
}

/** The buttons that open and close cards. */
export function connectCards() {
  for (const button of all(document, '[data-open]')) on(button, 'click', () => openCard(String(button.dataset.open), button));
  for (const button of all(document, '[data-close]')) on(button, 'click', () => /** @type {HTMLElement} */ (button.closest('[popover]')).hidePopover());
}

/** The most tokens of a run, in the bar: what it is now, and whether it is shown. @param {Knob} knob @param {() => void} changed */
export function limitControl({ label, help, low, high, default: usual }, changed) {
  const box = one(document, '[data-limit]'), field = input(box, 'input');
  Object.assign(field, { min: low, max: high, value: usual });
  box.title = help;
  put(one(box, 'span'), label);
  on(field, 'input', changed);
  return { value: () => field.valueAsNumber, valid: () => field.reportValidity() && field.value !== '', set(/** @type {number} */ value) { field.value = String(value); }, show(/** @type {boolean} */ now) { box.hidden = !now; } };
}

/** How many prompts of the file, in the bar. @param {() => void} changed */
export function partControl(changed) {
  const box = one(document, '[data-part]'), field = input(box, 'input');
  let every = 0, wanted = /** @type {number | null} */ (null); // null: all
  function fill() {
    field.max = String(every);
    field.value = String(Math.min(wanted ?? every, every));
    put(one(box, '[data-every]'), 'of ' + every.toLocaleString('en-US'));
  }
  on(field, 'input', () => { wanted = field.valueAsNumber < every ? field.valueAsNumber : null; changed(); });
  return {
    /** How many; undefined where the file is not known. */
    count: () => (every ? Math.min(wanted ?? every, every) : undefined),
    /** How many, where these are not all. */
    part: () => (every && wanted !== null && wanted < every ? wanted : undefined),
    valid: () => box.hidden || (field.reportValidity() && field.value !== ''),
    set(/** @type {number | null} */ value) { wanted = value; if (every) fill(); },
    /** @param {number} of prompts of the file; 0 hides the field */
    show(of) {
      every = of;
      box.hidden = of < 2;
      if (every) fill();
    },
  };
}
