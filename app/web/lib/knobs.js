// Controls for settings, each made from the description that the library has of it.

import { make, on, put, signOf } from './dom.js';

/** @import { Knob, Source } from '../types' */

/** @typedef {{ knob: Knob, element: HTMLElement, value(): any, set(value: any, corpus: boolean): void, tell(): void }} Control */

/**
 * Fills a box with the controls of settings. Their values by name, and what shows others; a corpus that is not there is not offered.
 * @param {HTMLElement} box @param {Knob[]} knobs @param {Source[]} sources @param {() => void} changed called when one was used
 */
export function mountKnobs(box, knobs, sources, changed) {
  const controls = knobs.map((knob) => controlOf(knob, sources));
  box.append(...controls.map(({ element }) => element));
  on(box, 'input', () => {
    for (const { tell } of controls) tell();
    changed();
  });
  return {
    values: () => Object.fromEntries(controls.map(({ knob, value }) => [knob.name, value()])),
    set(/** @type {Record<string, any>} */ config, /** @type {boolean} */ corpus) { for (const { knob, set } of controls) set(config[knob.name], corpus); },
  };
}

/** A control for a setting, made from its description. @param {Knob} knob @param {Source[]} sources @returns {Control} */
function controlOf(knob, sources) {
  const { name, kind, label, help, choices } = knob;
  if (kind === 'choices') return boxesOf(knob, sources);
  const counts = kind === 'whole' || kind === 'number', range = { min: knob.optional ? 0 : knob.low, max: knob.high, step: kind === 'whole' ? 1 : 'any' };
  const field = /** @type {HTMLInputElement} */ (make(kind === 'choice' ? 'select' : 'input', {
    'data-knob': name, 'aria-label': label, ...(counts ? { type: 'range', ...range } : kind === 'switch' ? { type: 'checkbox' } : {}),
  }, ...(kind === 'choice' ? choices.map((choice) => make('option', {}, choice)) : [])));
  const out = make('span', { 'data-out': name }); // an output would be what the label is of
  const value = () => (kind === 'switch' ? field.checked : counts ? Number(field.value) : field.value);
  const tell = () => put(out, knob.optional && !value() ? 'no limit' : String(value()));
  return {
    knob, value, tell,
    element: make('label', {}, make('span', {}, label + ' ', ...(counts ? [out] : [])), field, make('small', {}, help)),
    set(now) {
      if (kind === 'switch') field.checked = !!now; else field.value = String(now ?? 0);
      tell();
    },
  };
}

/** Several sources of several: a box for each. @param {Knob} knob @param {Source[]} sources @returns {Control} */
function boxesOf(knob, sources) {
  const fields = knob.choices.map((choice) => /** @type {HTMLInputElement} */ (make('input', { type: 'checkbox', 'data-source-knob': choice })));
  const boxes = knob.choices.map((choice, i) => make('label', { class: 'check' }, fields[i], ...sources.filter(({ name }) => name === choice).map(signOf), choice));
  return {
    knob,
    element: make('fieldset', {}, make('legend', {}, knob.label), make('span', {}, ...boxes), make('small', {}, knob.help)),
    value: () => knob.choices.filter((_, i) => fields[i].checked),
    set(now, corpus) {
      knob.choices.forEach((choice, i) => {
        fields[i].checked = now.includes(choice);
        boxes[i].hidden = choice === 'corpus' && !corpus;
      });
    },
    tell() { /* the boxes show it */ },
  };
}
