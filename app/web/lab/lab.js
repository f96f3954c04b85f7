// The Lab: what to study, with which settings; the run; and the study, which grows while it runs.

import { mountStudy } from '../../../lookahead/report/study_view.js';
import { clock, oneLine } from '../../../lookahead/report/words.js';
import { all, button, input, on, one, press, put } from '../lib/dom.js';
import { roughly, secondsOf } from './estimate.js';
import { mountMaterial, withLine } from './material.js';
import { check, fileOf, goOn, kept, listen, measure, start, stop, watchAddress } from './questions.js';
import { connectCards, limitControl, mountSettings, partControl } from './settings.js';

/** @import { Machine, Row, Study } from '../../../lookahead/report/study' */
/** @import { Material } from './material.js' */
/** @import { Asked, Found, Progress } from './questions.js' */
/** @typedef {'run' | 'continue' | 'compare'} How */

const facts = JSON.parse(document.body.dataset.facts || '{}'), query = new URLSearchParams(location.search);
const [run, halt, afresh] = ['run', 'stop', 'afresh'].map((name) => button(document, '[data-' + name + ']'));
const [plain, sweep] = ['plain', 'sweep'].map((name) => input(document, '[data-' + name + ']'));
const [about, problem] = [one(document, '[data-about]'), one(document, '[data-problem]')];

const LABELS = { run: 'Run', continue: 'Continue', compare: 'Replay B' };
const MEANS = { run: '', continue: 'The runs that are there are kept; only what is missing is added.', compare: 'Nothing runs: B is replayed on the outputs that are there.' };

/** @type {Material | null} */ let material = null;
/** @type {string | null} */ let id = null; // of the study on the screen; null: the example
/** @type {Study | null} */ let study = null;
/** @type {Machine | null} */ let machine = null; // T(n), measured again
/** @type {Found} */ let file = {}; // what the material holds
/** @type {(Asked & { a: string, b: string }) | null} */ let basis = null; // what the study on the screen was started with
let running = false, ready = false, stopped = false, of = 0, quit = () => { /* nothing is heard yet */ };

const view = mountStudy(one(document, 'main'), {
  ...facts,
  measure: measureAgain,
  address: watched,
  use(config) {
    settings.set('b', config);
    if (id && basis && !running) return void begin('compare');
    if (running) return tell('B is set. It can be replayed when this study is over.');
    tell(material ? 'B is set' + (config.start === 'warm' ? ' (warm: it keeps the outputs of the earlier prompts)' : '') + ': run again to see it on every prompt.' : 'B is set: choose your prompts, then run.');
    (material ? run : one(document, '[data-open=material]')).focus();
  },
});
const settings = mountSettings(facts.knobs, facts.sources, facts.corpus, offerRun), limit = limitControl(facts.limit, offerRun), part = partControl(offerRun);
connectCards();
mountMaterial(facts.samples, (taken) => {
  material = taken;
  part.set(null);
  fail('');
  stale();
  examine(taken);
}, fail);

/** Reads a file on the server; Run stays disabled until that is known to be possible. @param {Material} wanted */
async function examine(wanted) {
  ready = false;
  file = {};
  limit.show(false);
  part.show(0);
  offerRun();
  const found = await check(wanted);
  if (material !== wanted) return;
  if (found.error) fail(withLine(found.error, wanted));
  ready = !found.error || !!found.silent;
  file = found;
  limit.show(ready && !found.recorded);
  part.show((ready && found.prompts) || 0);
  if (sameFile()) {
    one(document, 'main').removeAttribute('data-old');
    if (!running) tell('');
  }
  offerRun();
}

/** Says that what is below is not of the file that was chosen. */
function stale() {
  if (!study || !material) return;
  one(document, 'main').setAttribute('data-old', '');
  tell('Below is still ' + (id ? 'the study of ' + oneLine(study.title) : 'the example') + ', not yet ' + material.name + '.');
}

/** Where a row can be watched; those of the example are the recorded runs of the Watch page. @param {Row} row */
function watched(row) {
  const place = study ? study.rows.indexOf(row) : 0, example = row.name.replace(/\.json$/, '');
  if (id) return row.run ? watchAddress({ study: id, run: row.run }, row, place) : null;
  return facts.examples.includes(example) ? watchAddress({ example }, row, place) : null;
}

const again = press('Measure T(n) again', measureAgain, { class: 'link', 'data-measure': '' });
view.pay.append(again);
on(run, 'click', () => { if (limit.valid() && part.valid()) begin(next()); });
on(afresh, 'click', () => { if (limit.valid() && part.valid()) begin('run'); });
for (const box of [plain, sweep]) on(box, 'change', offerRun);
on(halt, 'click', async () => {
  halt.disabled = stopped = true;
  if (id) fail((await stop(id)).error || '');
});
for (const link of all(document, 'a[data-page]')) if (query.has('__theme')) link.setAttribute('href', link.getAttribute('href') + '?__theme=' + encodeURIComponent(String(query.get('__theme'))));
open(query.get('study'));

/** Whether the material is the file of the study on the screen; so it is where no other one was chosen. */
function sameFile() {
  return !!id && !!basis && (!material || (material.name === basis.name && file.digest === basis.digest));
}

/** Whether its runs are those that these fields ask for. */
function sameRuns() {
  return sameFile() && !!basis && keyOf(settings.list()[0]) === basis.a && (!!file.recorded || !material || (limit.value() === basis.max_new_tokens && plain.checked === basis.plain));
}

/** What the main button does: what has run already for this file and these settings does not run again. @returns {How} */
function next() {
  if (!study || !basis || !sameRuns()) return 'run';
  if (typeof study.stopped_after === 'number' || Number(part.count() ?? 0) > Number(study.prompts)) return 'continue';
  if (material && part.count() !== study.prompts) return 'run';
  if (sweep.checked && !study.variants.some(({ peer, label }) => !peer && label !== 'B')) return 'continue';
  const b = settings.list()[1];
  return b && keyOf(b) !== basis.b ? 'compare' : 'run';
}

/** How long what the button does will take. @param {How} how */
function estimate(how) {
  if (running || how === 'compare' || !ready || file.recorded) return '';
  const count = part.count() || 0, done = how === 'continue' && study ? study.rows.length : 0;
  if (count <= done) return '';
  const known = secondsOf({ prompts: count - done, tokens: limit.value(), pass: file.pass_seconds, plain: plain.checked, study: id ? study : null, same: sameRuns() });
  return known ? (known.most ? 'up to ' : 'about ') + roughly(known.seconds) : '';
}

function offerRun() {
  const how = next(), known = how !== 'run';
  run.hidden = running || !(material || known);
  run.disabled = !ready && !known;
  put(run, LABELS[how]);
  run.title = MEANS[how];
  afresh.hidden = run.hidden || !known || !material;
  afresh.disabled = !ready;
  put(one(document, '[data-estimate]'), estimate(how));
  one(document, '[data-open=material]').classList.toggle('primary', !material);
}

/** @param {string} words */
function fail(words) {
  put(problem, words);
  problem.hidden = !words;
}

const tell = (/** @type {string} */ words) => put(about, words);

/** Shows a study that the server still has, or else the example. @param {string | null} wanted */
async function open(wanted) {
  let answer = await kept(wanted);
  if (wanted && answer.error) {
    fail(answer.error + ' Below is the example.');
    answer = await kept(null);
    address(null);
  } else id = wanted;
  if (answer.error) return fail(answer.error);
  show(answer);
  if (!id && material) return stale();
  tell(id ? '' : 'This is an example: the ' + answer.rows.length + ' recorded runs of the Watch page. Choose your own prompts, a run file or recorded traffic, or drop a file anywhere.');
  if (id) hear(id, null);
}

/** @param {Study} next */
function show(next) {
  study = next;
  one(document, 'main').removeAttribute('data-old');
  const others = next.machines.filter(({ name }) => name !== machine?.name), first = others.length < next.machines.length;
  view.show(machine ? { ...next, machines: first ? [machine, ...others] : [...others, machine] } : next, running ? of || next.rows.length : 0, sweep.checked);
  const links = one(document, '.export');
  links.hidden = !id;
  for (const link of all(links, 'a')) if (id) link.setAttribute('href', fileOf(id, String(link.dataset.export)));
}

/** @param {string | null} of the id that the address names, so that a reload shows the same study */
function address(of) {
  id = of;
  if (of) query.set('study', of);
  else query.delete('study');
  const search = query.toString();
  history.replaceState(null, '', location.pathname + (search ? '?' + search : ''));
}

/** @param {How} how */
async function begin(how) {
  const before = id, [a, b] = settings.list(), wanted = { settings: settings.list(), sweep: sweep.checked, prompts: part.part() };
  const expected = how === 'continue' ? part.count() || study?.prompts || 0 : 0;
  go(true);
  fail('');
  tell('');
  showProgress({ run: 'Reading ' + material?.name, continue: 'Continuing', compare: 'Replaying B' }[how] + ' …', 0);
  const answer = await ask(how, wanted);
  if (!answer.id) {
    go(false);
    if (how === 'run') stale();
    return fail(answer.error || 'The server did not start the study.');
  }
  address(answer.id);
  if (how === 'run') one(document, 'main').setAttribute('data-old', ''); // until it has found something
  hear(answer.id, { a: keyOf(a), b: keyOf(b) }, () => {
    address(before);
    stale();
  }, expected);
}

/** @param {How} how @param {import('./questions.js').Wanted} wanted @returns {Promise<{ id?: string, error?: string }>} */
async function ask(how, wanted) {
  if (how === 'run' && material) return start({ ...material, ...wanted, plain: plain.checked, max_new_tokens: limit.value() });
  if (how === 'run' || !id) return { error: 'Choose what to study.' };
  if (how === 'compare') return goOn(id, { settings: wanted.settings, sweep: !!basis?.sweep, runs: false });
  return goOn(id, { ...wanted, prompts: part.count(), runs: true });
}

/** @param {string} from id of a study @param {{ a: string, b: string } | null} own its settings; null if they come with it, as the page was opened with this study @param {() => void} [nothing] called at the end if it found nothing @param {number} [expected] how many prompts it will have, if that is known */
function hear(from, own, nothing, expected = 0) {
  let found = false;
  quit();
  go(true);
  of = expected;
  quit = listen(from, ({ asked, progress, study: next, error, end }) => {
    if (asked && !own) {
      takeOver(asked);
      const [a, b] = settings.list();
      own = { a: keyOf(a), b: keyOf(b) }; // a stream that is heard again must not undo what was changed since
    }
    if (asked && own) basis = { ...asked, ...own };
    const runs = !!progress && ['running', 'replaying'].includes(progress.what);
    if (progress && runs) of = progress.of;
    if (progress && !runs) halt.disabled = false; // it was stopped, and what follows can be stopped, too
    if (next) {
      found = true;
      show(next);
    }
    if (progress) showProgress((stopped && !runs ? 'Stopped. ' : '') + sayProgress(progress), progress.of ? progress.done / progress.of : 0);
    if (error) fail(error);
    if (end || error) {
      if (!found) nothing?.();
      go(false);
      if (found && study) show(study);
    }
  });
}

/** The fields show what a study was started with. @param {Asked} asked */
function takeOver(asked) {
  settings.set('a', asked.settings);
  settings.set('b', asked.other);
  limit.set(asked.max_new_tokens);
  part.set(asked.prompts);
  [plain.checked, sweep.checked] = [asked.plain, asked.sweep];
}

/** Settings as a text that is the same where they are. @param {Record<string, any> | undefined} config */
function keyOf(config) {
  return JSON.stringify(Object.entries(config || {}).sort());
}

/** @param {Progress} progress */
function sayProgress({ what, done, of, seconds_left: seconds }) {
  const left = seconds === null || seconds === undefined ? '' : ' · about ' + clock(Math.max(1, Math.round(seconds))).replace('.0', '') + ' left';
  return what.charAt(0).toUpperCase() + what.slice(1) + (of > 1 ? ' · ' + Math.min(of, Math.floor(done) + 1) + ' of ' + of : '') + left;
}

/** @param {string} words @param {number} share 0 to 1 */
function showProgress(words, share) {
  put(one(document, '[data-progress-says]'), words);
  /** @type {HTMLProgressElement} */ (one(document, 'progress')).value = share;
}

/** @param {boolean} now whether a study runs */
function go(now) {
  running = now;
  stopped = false;
  document.body.toggleAttribute('data-running', running);
  one(document, '[data-progress]').hidden = !running;
  halt.hidden = !running;
  halt.disabled = false;
  offerRun();
}

async function measureAgain() {
  again.disabled = true;
  fail('');
  put(again, 'Measuring …');
  const answer = await measure();
  again.disabled = false;
  put(again, 'Measure T(n) again');
  if (!answer.machine) return fail(answer.error || 'T(n) could not be measured.');
  machine = { ...answer.machine, again: true };
  if (study) show(study);
  tell('T(n) was just measured on this server; the plot of break-even uses it. Times by T(n) in the table are computed with the one before: run again for new ones.');
}
