// The stage: the runs side by side, the one step that is looked at, playing; every pane draws that state.

import { makeFeed, route } from './feed.js';
import { answerTo } from './lib/asker.js';
import { all, one, save, within } from './lib/dom.js';
import { cutShort } from './lib/runs.js';
import { mount as attention_mask } from './panes/attention_mask.js';
import { mount as draft_tree } from './panes/draft_tree.js';
import { mount as headline } from './panes/headline.js';
import { mount as live_trie } from './panes/live_trie.js';
import { mount as numbers } from './panes/numbers.js';
import { mount as race } from './panes/race.js';
import { mount as run_files } from './panes/run_files.js';
import { mount as transport } from './panes/transport.js';
import { mount as what_if } from './panes/what_if.js';
import { mount as written_text } from './panes/written_text.js';
import { fileOf, makeKeeper } from './restore.js';

/** @import { Context, Gradio, Mount, Run, Stage, StageValue, StepMessage } from './types' */

/** Panes by the name that a box carries in `data-pane`. A new one is a file in panes/ that exports `mount`, an import and a name here, and a box in stage.html. @type {Record<string, Mount>} */
const PANES = { attention_mask, draft_tree, headline, live_trie, numbers, race, run_files, transport, what_if, written_text };

/** The documented ids of the page, and what carries them. @type {Record<string, string>} */
const IDS = {
  sentence: '[data-sentence]', play: '[data-play]', scrubber: '[data-scrubber]', ribbon: '[data-ribbon]', 'draft-tree': '[data-tree]',
  numbers: '[data-tiles]', 'save-run': '[data-save]', 'open-run': '[data-open]',
};

const FIELDS = 'input:not([type=checkbox]), textarea, select, [role=listbox], [role=slider], [role=tab], [role=radio], [contenteditable], fieldset:has(input[type=radio])';

/** The steps per second at which a run of so many steps can be followed. @param {number} steps */
const speedFor = (steps) => (steps <= 24 ? 1 : steps <= 100 ? 3 : 12);

/**
 * Mounts the stage.
 * @param {HTMLElement} element the page's stage.html
 * @param {Gradio} gradio
 * @param {string} [value] the first sight; the component's value if not given
 * @returns {Stage}
 */
export function mount(element, { server, props, trigger }, value = props.value) {
  const first = /** @type {StageValue} */ (JSON.parse(value || '{}'));
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  const keeper = makeKeeper(server);
  const feed = makeFeed(hear);

  /** Runs by id in their order, and how many there will be. @type {{ ids: string[], of: number }} */
  let scene = { ids: [], of: 0 };
  /** The scene that was announced last; it takes the stage when it has a run. */
  let announced = scene;
  /** @type {string | null} */
  let shown = null; // id of the run whose steps are looked at: the first of the scene until another is chosen
  let chosen = false;
  let recorded = false, restoring = false;
  let step = 0, speed = 3, speedChosen = false, following = true, playing = false, overTime = false, byHand = false;
  /** @type {number | null} */
  let pointed = null; // a node of the step that is shown
  /** @type {number | null} */
  let pinned = null; // the one that was clicked
  /** @type {unknown} */
  let lookedAt = null;
  let planned = false, drawing = false;
  /** @type {number | undefined} */
  let timer;

  const runs = () => scene.ids.map((id) => feed.runs.get(id)).filter((run) => !!run);
  const main = () => (shown === null ? undefined : feed.runs.get(shown));
  const last = () => Math.max(0, (main()?.steps.length || 0) - 1);
  const live = () => !!main() && !main()?.end;
  const stopButton = () => document.querySelector('#stop');
  // All that were asked for; runs that were stopped between two of them get no more.
  const over = () => runs().every((run) => run.end) && (runs().length >= scene.of || runs().some(cutShort) || !stopButton()?.matches(':enabled'));
  const stopWatch = new MutationObserver(schedule);

  // ---------------------------------------------------------------- runs come

  /** @param {string} text */
  function receive(text) {
    const { scene: ids, of } = /** @type {StageValue} */ (JSON.parse(text || '{}'));
    if (!ids || !ids.length) return;
    if (!announced.ids.includes(ids[0])) {
      if (announced !== scene) announced.ids.forEach(feed.drop);
      announced = { ids: [], of: 0 };
    }
    Object.assign(announced, { ids, of: of || ids.length });
    ids.forEach(feed.open);
    schedule();
  }

  /** A run has begun, grown or ended. @param {Run} run */
  function hear(run) {
    if (announced.ids.includes(run.id) && announced !== scene) setScene(announced);
    if (!scene.ids.includes(run.id)) return;
    if (!chosen) shown = runs()[0].id;
    if (!recorded && !restoring) keeper.keepIds(runs());
    if (run.id === shown) {
      if (run.end) setSpeed(run);
      if (following && !recorded && !restoring) step = last();
    }
    if (run.end && !recorded && !restoring) keep();
    schedule();
  }

  /** Other runs take the stage. @param {{ ids: string[], of: number }} next */
  function setScene(next) {
    scene.ids.forEach((id) => { if (!next.ids.includes(id)) feed.drop(id); });
    scene = announced = next;
    shown = null;
    chosen = false;
    step = 0;
    recorded = false;
    showPlaying(false);
    stopWatch.disconnect();
    const stop = stopButton();
    if (stop && !restoring) stopWatch.observe(stop, { attributeFilter: ['disabled'] });
    if (!restoring) bringIntoSight();
  }

  // Where the page is one column, Run is below what it starts.
  function bringIntoSight() {
    const place = one(element, '#sentence').getBoundingClientRect();
    if (place.bottom < 0 || place.top > innerHeight) element.scrollIntoView({ block: 'start', behavior: still.matches ? 'auto' : 'smooth' });
  }

  /**
   * Finished runs take the stage: recorded, restored or opened ones.
   * @param {StepMessage[]} messages
   * @param {boolean} [asRecorded]
   * @returns {string} what is against it
   */
  function setMessages(messages, asRecorded = false) {
    if (main() && !recorded && !over()) return 'A run is in progress; open the file when it has finished.';
    const ids = messages.map((message) => message.run);
    restoring = true;
    ids.forEach(feed.drop);
    setScene({ ids, of: ids.length });
    recorded = asRecorded;
    messages.forEach(feed.take);
    restoring = false;
    schedule();
    return '';
  }

  /** A page that closes ends its runs at once; where it cannot say so, the server finds its streams gone. */
  function onPageHide() {
    const ids = announced === scene ? scene.ids : [...scene.ids, ...announced.ids];
    if (ids.length && !recorded && (announced !== scene || !over())) ids.forEach((run) => navigator.sendBeacon(route('leave', { run })));
  }

  // ---------------------------------------------------------------- files

  /** The run that a file is of, and the one beside it. @returns {[Run | undefined, Run | undefined]} */
  function forFile() {
    const ended = runs().filter((run) => run.end), plain = ended.find((run) => run.method === 'plain');
    const run = main()?.method === 'plain' ? ended.find((other) => other.method === 'lookahead') || plain : main();
    return [run, run === plain ? undefined : plain];
  }

  async function saveRun() {
    const [run, beside] = forFile();
    if (!run) return '';
    const answer = await fileOf(server, run, beside);
    if (!answer.error) save('run.json', answer.text, 'application/json');
    return answer.error || answer.note || '';
  }

  async function keep() {
    const [run, beside] = forFile();
    keeper.forgetFile();
    keeper.keepIds(runs());
    if (run && run.end && over()) await keeper.keepFile(run, beside);
  }

  /** @param {File} file */
  async function openRun(file) {
    let text;
    try { text = await file.text(); } catch { return 'cannot be read'; }
    const answer = await answerTo(server.open_run({ text, note: 'opened from ' + file.name.slice(0, 40) }));
    const problem = answer.error || takeOver(answer.messages);
    if (problem) return problem;
    if (still.matches) go(Infinity); else play(true);
    await keep();
    return '';
  }

  /** @param {StepMessage[]} messages */
  function takeOver(messages) {
    const problem = setMessages(messages);
    if (!problem) trigger('select', { run: shown });
    return problem;
  }

  async function restore() {
    const messages = await keeper.restored();
    if (!messages || takeOver(messages)) return;
    keep();
    go(Infinity);
  }

  // ---------------------------------------------------------------- drawing

  function schedule() {
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => { planned = false; show(); });
  }

  function show() {
    const run = main();
    if (!run || drawing) return;
    drawing = true;
    step = Math.max(0, Math.min(step, last()));
    const now = run.steps[step] || run, isOver = over();
    if (now !== lookedAt) pointed = pinned = null;
    lookedAt = now;
    Object.assign(element.dataset, { run: run.id, steps: String(run.steps.length), state: recorded ? 'recorded' : isOver ? 'finished' : 'running' });
    const state = { run, step, runs: runs(), over: isOver, live: live(), playing, overTime, node: pointed ?? pinned, speed, following, byHand };
    for (const pane of panes) pane.draw(state);
    byHand = drawing = false;
    for (const pane of panes) pane.settle?.(state);
  }

  // ---------------------------------------------------------------- moving through the steps

  /** By hand. @param {number} to */
  function go(to) {
    if (!main()) return;
    showPlaying(false);
    step = Math.max(0, Math.min(last(), to));
    if (live()) following = step === last();
    byHand = true;
    schedule();
  }

  /** @param {string} id */
  function showRun(id) {
    const atEnd = step === last();
    chosen = true;
    shown = id;
    step = atEnd ? last() : Math.min(step, last());
    if (!speedChosen) setSpeed(/** @type {Run} */ (main()));
    schedule();
  }

  /** A short run plays slowly enough to be read; a speed that was chosen stays. @param {Run} run */
  function setSpeed(run) {
    if (!speedChosen) speed = speedFor(run.steps.length);
  }

  /** @param {boolean} now */
  function showPlaying(now) {
    playing = now;
    clearInterval(timer);
  }

  /** @param {boolean} on */
  function play(on) {
    showPlaying(false);
    schedule();
    if (!on || last() < 1) return;
    if (step >= last()) step = 0;
    showPlaying(true);
    timer = setInterval(() => {
      if (step >= last() && !live()) showPlaying(false);
      else step = Math.min(last(), step + 1);
      schedule();
    }, 1000 / speed);
  }

  // ---------------------------------------------------------------- keys

  /** @type {Record<string, () => void>} */
  const moves = { ArrowLeft: () => go(step - 1), ArrowRight: () => go(step + 1), Home: () => go(0), End: () => go(Infinity), ' ': () => play(!playing) };

  /** Fields keep all their keys, the scrubber all but Space; buttons and links only Space, which presses them. @param {KeyboardEvent} event */
  function keeps(event) {
    if (within(event, '[data-scrubber]')) return event.key !== ' ';
    return within(event, FIELDS) || (event.key === ' ' && within(event, 'button, a, input, [role=button]'));
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !moves[event.key] || keeps(event)) return;
    event.preventDefault();
    moves[event.key]();
  }

  // ---------------------------------------------------------------- panes

  /** @type {Context} */
  const context = {
    server,
    knobs: first.page?.knobs || [],
    sources: first.page?.sources || [],
    go,
    play,
    setSpeed(stepsPerSecond) { speed = stepsPerSecond; speedChosen = true; if (playing) play(true); },
    follow(on) { following = on; if (on && live()) go(Infinity); },
    raceOver(time) { overTime = time; schedule(); },
    show: showRun,
    point(node) { if (node !== pointed && !drawing) { pointed = node; show(); } },
    pin(node) { if (!drawing) { pointed = pinned = node; show(); } },
    save: saveRun,
    open: openRun,
  };
  const panes = all(element, '[data-pane]').map((box) => PANES[String(box.dataset.pane)](box, context));
  for (const id in IDS) one(element, IDS[id]).id = id;

  let width = 0;
  const sizes = new ResizeObserver(([entry]) => {
    if (Math.abs(entry.contentRect.width - width) < 1) return;
    width = entry.contentRect.width;
    for (const pane of panes) pane.resize?.();
    schedule();
  });
  sizes.observe(element);
  document.addEventListener('keydown', onKey);
  addEventListener('pagehide', onPageHide);

  if (first.messages?.length) {
    setMessages(first.messages, first.recorded);
    const run = main();
    if (run) setSpeed(run);
    step = still.matches ? last() : 1;
    show();
    if (!still.matches) play(true);
  } else one(element, '#sentence').textContent = 'Enter a prompt and press Run. Every step of the model is shown here.';
  restore();

  return {
    receive,
    destroy() {
      showPlaying(false);
      [...feed.runs.keys(), ...announced.ids].forEach(feed.drop);
      for (const pane of panes) pane.destroy?.();
      sizes.disconnect();
      stopWatch.disconnect();
      document.removeEventListener('keydown', onKey);
      removeEventListener('pagehide', onPageHide);
    },
  };
}
