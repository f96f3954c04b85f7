// The table of prompts: sorted by any column, and fluid with thousands of rows, of which only those in sight are drawn.

import { make, press } from './dom.js';
import { kindsOf, kindTable, secondOf } from './kinds.js';
import { apart, clock, measured, number, oneLine, paying, percent, plural, speedupOf, times } from './words.js';

/** @import { Around, Column, Row, Study } from './study' */

const CHUNK = 8; // rows come and go by so many, so that most movements draw nothing

const SPEEDS = ['speedup', 'first', 'second']; // come first where there is little width

/** @param {HTMLElement} box @param {Around} around */
export function mountTable(box, around) {
  /** @type {Study | null} */ let study = null;
  /** @type {Column[]} */ let every = []; // of the study
  /** @type {Column[]} */ let columns = []; // that are shown
  /** @type {number[]} */ let order = []; // places in the file, as they are sorted
  let sorted = { name: 'speedup', down: false }, all = false, wanted = '', active = 0, shown = '';
  const narrow = matchMedia('(max-width: 999px)');
  const head = make('thead', {}), body = make('tbody', {}), foot = make('tfoot', {}), widths = make('colgroup', {});
  const table = make('table', { role: 'grid', 'aria-label': 'Prompts' }, widths, head, body, foot);
  const scroller = make('div', { class: 'scroller', 'data-rows': '' }, table);
  const filter = /** @type {HTMLInputElement} */ (make('input', { type: 'search', class: 'search', placeholder: 'Filter', 'aria-label': 'Filter the prompts', spellcheck: 'false' }));
  const more = press('All columns', () => { all = !all; more.setAttribute('aria-pressed', String(all)); layOut(); }, { class: 'link', 'aria-pressed': 'false' });
  const kinds = make('div', { class: 'scroller', 'data-kinds': '', hidden: '' }), byKind = press('By kind', () => { kinds.hidden = !kinds.hidden; layOut(); }, { class: 'link', 'aria-pressed': 'false' });
  const count = make('span', { class: 'fact', 'data-count': '' });
  box.append(make('div', { class: 'head' }, make('h2', {}, 'Prompts'), count, make('span', { class: 'tools' }, filter, byKind, more)), scroller, kinds);

  function layOut() {
    if (!study) return;
    byKind.hidden = !kindsOf(study).length;
    kinds.hidden ||= byKind.hidden;
    scroller.hidden = filter.hidden = more.hidden = !kinds.hidden;
    byKind.setAttribute('aria-pressed', String(!kinds.hidden));
    if (!kinds.hidden) kinds.replaceChildren(kindTable(study, narrow.matches));
    const known = every.filter((column) => all || !column.more), fast = known.filter(({ name }) => SPEEDS.includes(name));
    columns = narrow.matches ? [known[0], ...fast, ...known.slice(1).filter((column) => !fast.includes(column))] : known;
    widths.replaceChildren(...columns.map(({ name }) => make('col', { class: 'c-' + name })));
    table.classList.toggle('all-columns', all);
    head.replaceChildren(make('tr', {}, ...columns.map(headOf)));
    foot.replaceChildren(make('tr', { 'data-total': '' }, ...columns.map((column) => cellOf(column, /** @type {Study} */ (study).total, -1, sorted.name))));
    sort();
  }

  /** @param {Column} column */
  function headOf({ name, title, unit, help }) {
    const now = sorted.name === name;
    const button = press(make('span', {}, make('span', { class: 'title' }, title), ...(unit ? [make('small', {}, unit)] : [])), () => {
      sorted = { name, down: now ? !sorted.down : name !== 'prompt' && name !== 'speedup' };
      layOut();
      /** @type {HTMLElement | null} */ (head.querySelector('[data-sort="' + name + '"]'))?.focus();
    }, { 'data-sort': name, title: help });
    return make('th', { scope: 'col', class: 'c-' + name + (now ? ' sorted' : ''), 'aria-sort': now ? (sorted.down ? 'descending' : 'ascending') : 'none' }, button);
  }

  function sort() {
    if (!study) return;
    const { rows } = study, column = columns.find(({ name }) => name === sorted.name) || columns[0];
    const keys = rows.map((row, at) => column.value(row, at));
    order = rows.map((_, at) => at).filter((at) => !wanted || rows[at].text.toLowerCase().includes(wanted) || rows[at].name.toLowerCase().includes(wanted) || rows[at].category.toLowerCase().includes(wanted));
    order.sort((a, b) => compare(keys[a], keys[b], sorted.down) || a - b);
    count.textContent = (order.length < rows.length ? number(order.length, 0) + ' of ' : '') + plural(rows.length, 'prompt');
    active = Math.min(active, Math.max(0, order.length - 1));
    shown = '';
    render();
  }

  function render() {
    if (!study) return;
    const height = rowHeight(), top = scroller.scrollTop / height, first = CHUNK * Math.max(0, Math.floor(top / CHUNK) - 1);
    const last = Math.min(order.length, CHUNK * (Math.ceil((top + scroller.clientHeight / height) / CHUNK) + 1));
    if (shown === first + ' ' + last + ' ' + active) return;
    shown = first + ' ' + last + ' ' + active;
    const focused = body.contains(document.activeElement);
    const { rows } = study, lines = order.slice(first, last).map((at, i) => lineOf(rows[at], at, first + i));
    if (!order.length && wanted) lines.push(make('tr', { 'data-none': '' }, make('td', { colspan: columns.length }, 'No prompt has “' + filter.value.trim().slice(0, 40) + '” in its text, name or kind.')));
    body.replaceChildren(space(first * height), ...lines, space((order.length - last) * height));
    table.setAttribute('aria-rowcount', String(order.length + 2));
    if (focused) /** @type {HTMLElement | null} */ (body.querySelector('[tabindex="0"]'))?.focus({ preventScroll: true });
  }

  /** @param {Row} row @param {number} at place in the file @param {number} place place on the screen */
  function lineOf(row, at, place) {
    const address = around.address?.(row);
    const line = make('tr', { 'data-row': row.name, 'data-place': place, 'aria-rowindex': place + 2, tabindex: place === active ? 0 : -1, ...(address ? { class: 'opens', title: watchWords(row) } : {}) },
      ...columns.map((column) => cellOf(column, row, at, sorted.name)));
    if (address) line.firstElementChild?.replaceChildren(make('a', { href: address, tabindex: -1 }, columns[0].text(row, at)));
    return line;
  }

  const rowHeight = () => parseFloat(getComputedStyle(scroller).getPropertyValue('--row')) || 32;
  const space = (/** @type {number} */ height) => make('tr', { class: 'space', 'aria-hidden': 'true', style: 'height: ' + Math.max(0, height) + 'px' });

  function onKey(/** @type {KeyboardEvent} */ event) {
    const page = Math.max(1, Math.floor(scroller.clientHeight / rowHeight()) - 3), last = order.length - 1;
    const to = { ArrowUp: active - 1, ArrowDown: active + 1, PageUp: active - page, PageDown: active + page, Home: 0, End: last }[event.key];
    if (!body.contains(document.activeElement)) return;
    if (event.key === 'Enter') return void body.querySelector('[tabindex="0"] a')?.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }));
    if (to === undefined) return;
    event.preventDefault();
    active = Math.max(0, Math.min(last, to));
    const height = rowHeight(), room = scroller.clientHeight - 3 * height;
    if (active * height < scroller.scrollTop) scroller.scrollTop = active * height;
    if (active * height > scroller.scrollTop + room) scroller.scrollTop = active * height - room;
    render();
  }

  scroller.addEventListener('scroll', () => requestAnimationFrame(render), { passive: true });
  scroller.addEventListener('keydown', onKey);
  scroller.addEventListener('click', (event) => {
    const line = event.target instanceof Element ? event.target.closest('tr.opens') : null;
    if (line && event.target instanceof Element && !event.target.closest('a')) /** @type {HTMLElement | null} */ (line.querySelector('a'))?.click();
  });
  filter.addEventListener('input', () => { wanted = filter.value.trim().toLowerCase(); scroller.scrollTop = 0; sort(); });
  narrow.addEventListener('change', layOut);
  new ResizeObserver(() => { shown = ''; render(); }).observe(scroller);
  return { show(/** @type {Study} */ next) { study = next; every = columnsOf(study); layOut(); } };
}

/** @param {Column} column @param {Row} row @param {number} at @param {string} sorted name of the column that stays in sight */
function cellOf(column, row, at, sorted) {
  const first = column.name === 'prompt';
  return make(first ? 'th' : 'td', { class: 'c-' + column.name + ' ' + (column.kind?.(row, at) || '') + (column.name === sorted ? ' sorted' : ''), ...(column.says?.(row) ? { title: column.says(row) } : {}), ...(first ? { scope: 'row' } : {}) }, column.text(row, at));
}

/** What is not known is last in either direction. @param {number | string | null} a @param {number | string | null} b @param {boolean} down */
function compare(a, b, down) {
  if (a === null || b === null) return (a === null ? 1 : 0) - (b === null ? 1 : 0);
  const order = typeof a === 'string' ? a.localeCompare(String(b)) : a - Number(b);
  return down ? -order : order;
}

const disturbedWords = (/** @type {Row} */ row) => (row.disturbed ? '* timing disturbed: measured ' + times(row.speedup) + ', more than ' + number(row.tokens_per_pass) + ' tokens per pass allow; by T(n) ' + times(row.modelled_speedup) : '');

const watchWords = (/** @type {Row} */ { worst_step: step }) => 'Watch this run' + (step === null ? '' : ' at step ' + step + ', which lost most');

/** The columns of a study, the second setting's among them if there is one. @param {Study} study @returns {Column[]} */
export function columnsOf(study) {
  const second = secondOf(study), known = measured(study);
  const isAll = (/** @type {number} */ at) => at < 0;
  const byT = study.machines.length > 0, names = apart(study.rows.map((row) => oneLine(row.text) || oneLine(row.name)));
  const [faster, computed] = ['Times as fast as plain decoding: measured, after the prompt. Watch calls it Decode speedup; what is “faster here” there is of the whole run.', 'Times as fast as plain decoding: computed from T(n), not measured.'], units = byT ? 'by T(n)' : '';
  const ofSecond = (/** @type {number} */ at) => (second ? (isAll(at) ? (byT ? second.modelled_speedup : second.tokens_per_pass) : second.each[at] ?? null) : null);
  /** @type {Column[]} */ const columns = [
    { name: 'prompt', title: 'Prompt', help: 'In the order of the file.', value: (_, at) => at, text: (_, at) => (isAll(at) ? 'All ' + number(study.rows.length, 0) : names[at]) },
    { name: 'category', title: 'Kind', help: 'As the file says.', value: ({ category }) => category || null, text: (row, at) => (isAll(at) ? '' : oneLine(row.category)), more: true },
    { name: 'tokens', title: 'Tokens', help: 'Tokens of the output.', value: (row) => row.tokens, text: (row) => number(row.tokens, 0) },
    { name: 'passes', title: 'Passes', help: 'Forward passes after the prompt.', value: (row) => row.passes, text: (row) => number(row.passes, 0) },
    { name: 'per-pass', title: 'Tok/pass', help: 'Tokens per pass after the prompt; plain decoding has exactly 1.', value: (row) => row.tokens_per_pass, text: (row) => number(row.tokens_per_pass) },
    { name: 'accepted', title: 'Accepted', help: 'Draft tokens that were accepted.', value: (row) => (row.drafted ? row.accepted / row.drafted : null), text: (row) => (row.drafted ? percent(row.accepted / row.drafted) : '–') },
    { name: 'empty', title: 'No draft', help: 'Passes without a draft: one token each.', value: (row) => row.empty, text: (row) => number(row.empty, 0), more: !!second },
    { name: 'wasted', title: 'Wasted', help: 'Draft tokens that were not accepted.', value: (row) => row.wasted, text: (row) => number(row.wasted, 0), more: true },
    { name: 'ties', title: 'Near ties', help: 'Tokens at which rounding may decide between two.', value: (row) => row.near_ties, text: (row) => number(row.near_ties, 0), more: true },
    { name: 'seconds', title: 'Time', help: 'Measured time of the passes after the prompt.', value: (row) => row.seconds, text: (row) => clock(row.seconds), more: true },
    { name: 'plain', title: 'Plain', help: 'Measured time of plain decoding.', value: (row) => row.plain_seconds, text: (row) => clock(row.plain_seconds), more: true },
    { name: 'modelled', title: 'By T(n)', help: 'Time computed from T(n) and the time of drafting.', value: (row) => row.modelled_seconds, text: (row) => clock(row.modelled_seconds), more: true },
    { name: 'speedup', title: (second ? 'A ' : '') + '×', unit: known ? 'measured' : units, help: known ? faster : computed, value: (row) => speedupOf(row) ?? row.tokens_per_pass, text: (row) => (row.disturbed ? '* ' : '') + number(speedupOf(row)), kind: (row) => paying(speedupOf(row)), says: disturbedWords },
  ];
  if (second && known && byT) columns.push({ name: 'first', title: 'A ×', unit: units, help: computed + ' To be compared with B.', value: (row) => row.modelled_speedup, text: (row) => number(row.modelled_speedup), kind: (row) => paying(row.modelled_speedup) });
  if (second) columns.push({ name: 'second', title: byT ? 'B ×' : 'B tok/pass', unit: byT ? 'replayed, by T(n)' : 'replayed', help: 'B is not run: its drafts are replayed on the outputs of A. ' + (byT ? 'Compare it with A by T(n).' : 'Tokens per pass.'), value: (_, at) => ofSecond(at), text: (_, at) => (byT ? times(ofSecond(at)).replace('×', '') : number(ofSecond(at))), kind: (_, at) => (byT ? paying(ofSecond(at)) : '') });
  return columns.filter(({ name }) => name !== 'category' || study.rows.some(({ category }) => category));
}
