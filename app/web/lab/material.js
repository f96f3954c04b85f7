// What is studied: a file that was chosen or dropped, pasted text, or built-in prompts.

import { button, input, on, one, put } from '../lib/dom.js';

/** @typedef {{ name: string, text: string, base64?: string }} Material a file that is not text as base64 */

const MOST_SHOWN = 120; // characters of a line that is wrong

const PARQUET = 'PAR1'; // its first bytes
const MOST_BYTES = 64_000_000, KEPT = 'lookahead-lab', MOST_KEPT = 1_000_000;

/** @param {string} samples built-in prompts, as JSONL @param {(material: Material) => void} taken @param {(problem: string) => void} failed */
export function mountMaterial(samples, taken, failed) {
  const card = one(document, '[data-card=material]'), file = input(document, '[data-file]');
  const paste = /** @type {HTMLTextAreaElement} */ (one(document, '[data-paste]')), use = button(document, '[data-use-paste]');

  function take(/** @type {Material} */ material) {
    put(one(document, '[data-material]'), nameOf(material));
    card.hidePopover();
    try { sessionStorage.setItem(KEPT, (material.base64 || material.text).length > MOST_KEPT ? '' : JSON.stringify(material)); } catch { /* storage is blocked or full: only not kept */ }
    taken(material);
  }

  async function read(/** @type {File} */ chosen) {
    if (chosen.size > MOST_BYTES) return failed(chosen.name + ': larger than 64 MB. Study a part of it here, or all of it with “python -m lookahead study”.');
    try {
      const parquet = await chosen.slice(0, PARQUET.length).text() === PARQUET;
      take({ name: chosen.name, ...(parquet ? { text: '', base64: await base64(chosen) } : { text: await chosen.text() }) });
    } catch {
      failed(chosen.name + ': could not be read. Choose it again.');
    }
  }

  on(file, 'change', () => {
    const chosen = file.files?.[0];
    if (chosen) read(chosen);
    file.value = '';
  });
  on(paste, 'input', () => { use.disabled = !paste.value.trim(); });
  on(use, 'click', () => take(pasted(paste.value)));
  use.disabled = true;
  const built = one(document, '[data-samples]');
  put(built, 'Use ' + linesOf(samples) + ' built-in prompts');
  on(built, 'click', () => take({ name: 'built-in.jsonl', text: samples }));
  hearDrops(read);
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) || 'null');
    if (typeof kept?.name === 'string' && typeof kept.text === 'string') take(kept);
  } catch { /* nothing kept */ }
}

/** @param {File} file @returns {Promise<string>} */
const base64 = (file) => new Promise((done, failed) => {
  const reader = new FileReader();
  reader.onload = () => done(String(reader.result).split(',')[1]);
  reader.onerror = failed;
  reader.readAsDataURL(file);
});

/** A file may be dropped anywhere. @param {(file: File) => void} read */
function hearDrops(read) {
  const files = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files');
  const over = (/** @type {boolean} */ now) => document.body.classList.toggle('dropping', now);
  on(document.body, 'dragover', (event) => { if (files(event)) { event.preventDefault(); over(true); } });
  on(document.body, 'dragleave', (event) => { if (!event.relatedTarget) over(false); });
  on(document.body, 'drop', (event) => {
    over(false);
    if (!files(event)) return;
    event.preventDefault();
    if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0]);
  });
}

/** A problem with the line that it names. @param {string} problem @param {Material} material */
export function withLine(problem, { text }) {
  const at = /, line (\d+):/.exec(problem), line = at ? (text.split('\n')[Number(at[1]) - 1] || '').trim() : '';
  return line ? problem + ' — the line: ' + (line.length > MOST_SHOWN ? line.slice(0, MOST_SHOWN) + '…' : line) : problem;
}

const linesOf = (/** @type {string} */ text) => text.split('\n').filter((line) => line.trim()).length;

/** Pasted text is JSON as it is, or else prompts, one in a line. @param {string} text @returns {Material} */
function pasted(text) {
  if (/^\s*[{[]/.test(text)) return { name: 'pasted.jsonl', text };
  return { name: 'pasted.jsonl', text: text.split('\n').filter((line) => line.trim()).map((line) => JSON.stringify({ prompt: line.trim() }) + '\n').join('') };
}

/** @param {Material} material */
function nameOf({ name, text }) {
  const short = name.length > 28 ? name.slice(0, 14) + '…' + name.slice(-12) : name, lines = linesOf(text);
  return short + (/\.jsonl$/i.test(name) ? ' · ' + lines.toLocaleString('en-US') + (lines === 1 ? ' line' : ' lines') : '');
}
