// Text into the DOM: through textContent only, blanks made visible.

const SVG = 'http://www.w3.org/2000/svg';
const $ = (selector) => element.querySelector(selector);
const $$ = (selector) => [...element.querySelectorAll(selector)];

function make(tag, attributes, text) {
  const node = document.createElement(tag);
  for (const name in attributes || {}) node.setAttribute(name, attributes[name]);
  if (text !== undefined) node.textContent = text;
  return node;
}

function draw(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const name in attributes || {}) node.setAttribute(name, attributes[name]);
  if (text !== undefined) node.textContent = text;
  return node;
}

// New text only where it differs: an equal one would cost a layout all the same.
function put(node, text) {
  if (node.said === text) return;
  node.said = text;
  node.textContent = text;
}

// Control characters and marks that would reorder or hide their neighbours get a visible stand-in.
function visible(text) {
  let out = '';
  for (const letter of text) {
    const code = letter.codePointAt(0);
    if (letter === '\n') out += '⏎';
    else if (letter === '\t') out += '⇥';
    else if (code < 32) out += String.fromCodePoint(0x2400 + code);
    else if (code === 127) out += '␡';
    else if ((code >= 0x200b && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code === 0xfeff) out += '⟨' + code.toString(16) + '⟩';
    else out += letter;
  }
  return out;
}

// A token as a label: blanks at its ends made visible, long ones cut.
function label(text, most = 16) {
  if (text === '') return '∅';
  const shown = visible(text).replace(/^ +| +$/g, (blanks) => '␣'.repeat(blanks.length));
  const letters = [...shown];
  return letters.length > most ? letters.slice(0, most - 1).join('') + '…' : shown;
}

// What is shown of a text, turned back into it: labels can be searched for.
const unlabel = (text) => text.replace(/␣/g, ' ').replace(/⏎/g, '\n').replace(/⇥/g, '\t');

// Width of a label in em of a monospace font (wide scripts and emoji take two cells).
function cells(text) {
  let width = 0;
  for (const letter of text) width += letter.codePointAt(0) >= 0x2e80 ? 2 : 1;
  return width;
}

const percent = (share) => (share > 0 && share < 0.01 ? '< 1' : String(Math.round(100 * share))) + ' %';

const plural = (count, noun, more) => count + ' ' + (count === 1 ? noun : more || noun + 's');

function number(value, digits = 2) {
  if (value === null || value === undefined || !isFinite(value)) return '–';
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toFixed(digits);
}

function save(name, text, type) {
  const link = make('a', { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Of the things in a box one is a tab stop; up and down move among them, in reading order.
function moveAmong(things, event, focus) {
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const at = things.indexOf(document.activeElement);
  if (!by || at < 0) return;
  event.preventDefault();
  focus(things[Math.max(0, Math.min(things.length - 1, at + by))]);
}

function focusIn(box, next, redrawn) {
  box.querySelectorAll('[tabindex="0"]').forEach((other) => other.setAttribute('tabindex', -1));
  next.setAttribute('tabindex', 0);
  next.focus({ preventScroll: !!redrawn });
}

// One question at a time per kind; of several waiting ones only the last is asked.
function asker(ask, use) {
  let busy = false;
  let next = null;
  return function put(question) {
    if (busy) { next = question; return; }
    busy = true;
    ask(question).then((answer) => use(answer, question)).catch(() => use({ error: 'the server did not answer' }, question)).finally(() => {
      busy = false;
      if (next !== null) { const waiting = next; next = null; put(waiting); }
    });
  };
}
