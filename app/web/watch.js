// The stage: the runs side by side, the one step that is looked at, playing; every pane draws that state.

import { makeFeed, route, runOfStudy } from './feed.js';
import { addCards } from './learn/card.js';
import { answerTo } from './lib/asker.js';
import { all, mark, one, put, save, within } from './lib/dom.js';
import { PHASES, cutShort, hasDraft, plainBeside } from './lib/runs.js';
import { tellingStep } from './lib/summary.js';
import { LINKED, readLink, withoutExample } from './link.js';
import { fly, movesOf } from './moves.js';
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
import { hideParts, makePresenter } from './present.js';
import { fileOf, makeKeeper } from './restore.js';
import { mountTools } from './tools.js';

/** @import { Context, Gradio, Lost, Mount, Phase, Run, StageValue, StepMessage } from './types' */

/** Panes by the name that a box carries in `data-pane`. A new one is a file in panes/, an import and a name here, a box in watch.html (and a tab there, for phones), its place in styles/watch.css (wide and narrow), and a name for links in link.js. @type {Record<string, Mount>} */
const PANES = { attention_mask, draft_tree, headline, live_trie, numbers, race, run_files, transport, what_if, written_text };

/** Panes whose pictures are not drawn at every update of a run that streams by: nobody could read them. */
const CALM = ['draft_tree', 'attention_mask', 'live_trie'];
const CALM_MILLISECONDS = 200;
const PHASE_MILLISECONDS = 900;

/** The documented ids of the page, and what carries them. @type {Record<string, string>} */
const IDS = {
  sentence: '[data-sentence]', play: '[data-play]', scrubber: '[data-scrubber]', ribbon: '[data-ribbon]', 'draft-tree': '[data-tree]',
  numbers: '.numbers', 'save-run': '[data-save]', 'open-run': '[data-open]',
};

const FIELDS =
  'input:not([type=checkbox]), textarea, select, [role=listbox], [role=slider], [role=tab], [role=radio], [contenteditable], fieldset:has(input[type=radio])';

/** Mounts the stage on its HTML; the first sight is the component's value. Returns what takes later values. @param {HTMLElement} element @param {Gradio} gradio @param {string} [value] */
export function mount(element, { server, props, trigger }, value = props.value) {
  const first = /** @type {StageValue} */ (JSON.parse(value || '{}'));
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  const keeper = makeKeeper(server);
  const feed = makeFeed(hear);

  /** Runs by id in their order, and how many there will be. @type {{ ids: string[], of: number }} */
  let scene = { ids: [], of: 0 };
  let announced = scene; // takes the stage when it has a run
  /** @type {string | null} */ let shown = null; // id of the run whose steps are looked at: the first of the scene until another is chosen
  /** @type {string | null} */ let kept = null; // id of a run that stays, the first of every scene
  let chosen = false, recorded = false; // recorded: nothing of the runs is kept for a reload
  /** @type {Phase | null} */ let phase = null;
  let step = 0, speed = 3, speedChosen = false, following = true, playing = false, overTime = false, byHand = false;
  /** @type {number | null} */ let pointed = null; // a node of the step that is shown
  /** @type {number | null} */ let pinned = null; // the one that was clicked
  /** @type {unknown} */ let lookedAt = null;
  /** @type {Lost | null} */ let lost = null; // why the step of a row of the Lab is looked at
  /** @type {string | null} */ let example = null; // its name, while an example is on the stage
  let summed = false, toRest = false; // whether the sentence says what the whole run amounts to; whether the stage comes to rest at the end
  let planned = false, drawing = false, picturedAt = 0, questions = 0;
  /** @type {number | undefined} */ let timer;
  /** @type {number | undefined} */ let later;

  const runs = () => scene.ids.map((id) => feed.runs.get(id)).filter((run) => !!run);
  const main = () => (shown === null ? undefined : feed.runs.get(shown));
  const last = () => Math.max(0, (main()?.steps.length || 0) - 1);
  const bounded = (/** @type {number} */ to) => Math.max(0, Math.min(last(), to));
  const live = () => !!main() && !main()?.end;
  const stopButton = () => document.querySelector('#stop');
  // All that were asked for; runs that were stopped between two of them get no more.
  const over = () => runs().every((run) => run.end) && (runs().length >= scene.of || runs().some(cutShort) || !stopButton()?.matches(':enabled'));
  const stopWatch = new MutationObserver(schedule);

  function receive(/** @type {string} */ text) {
    const { scene: ids, of } = /** @type {StageValue} */ (JSON.parse(text || '{}'));
    if (!ids?.length) return;
    if (!announced.ids.includes(ids[ids[0] === kept && ids.length > 1 ? 1 : 0])) {
      if (announced !== scene) announced.ids.filter((id) => id !== kept).forEach(feed.drop);
      announced = { ids: [], of: 0 };
    }
    Object.assign(announced, { ids, of: of || ids.length });
    ids.forEach(feed.open);
    schedule();
  }

  /** A run has begun, grown or ended. */
  function hear(/** @type {Run} */ run) {
    if (announced !== scene && announced.ids.includes(run.id)) setScene(announced);
    if (!scene.ids.includes(run.id)) return;
    if (!chosen) shown = (runs().find((other) => other.id !== kept) || run).id;
    if (run.id === shown && run.end) setSpeed(run);
    if (!recorded) {
      if (run.id === shown && following && step !== last()) { step = last(); phase = null; }
      if (run.end) keep(); else keeper.keepIds(runs());
    }
    schedule();
  }

  /** Other runs take the stage. */
  function setScene(/** @type {{ ids: string[], of: number }} */ next, asRecorded = false) {
    for (const id of scene.ids) if (!next.ids.includes(id)) feed.drop(id);
    scene = announced = next;
    if (kept && !next.ids.includes(kept)) kept = null;
    shown = null;
    step = 0;
    chosen = summed = toRest = false;
    phase = example = lost = null;
    recorded = asRecorded;
    showPlaying(false);
    stopWatch.disconnect();
    if (recorded) return;
    following = toRest = true;
    history.replaceState(history.state, '', withoutExample(location.href));
    const stop = stopButton();
    if (stop) stopWatch.observe(stop, { attributeFilter: ['disabled'] });
  }

  /** Finished runs take the stage: recorded, restored or opened ones. @returns {string} what is against it */
  function setMessages(/** @type {StepMessage[]} */ messages, asRecorded = false, withFields = false) {
    if (main() && !recorded && !over()) return 'A run is in progress; open the file when it has finished.';
    const opened = messages.map((message) => message.run), ids = kept && !opened.includes(kept) ? [kept, ...opened] : opened;
    opened.forEach(feed.drop);
    setScene({ ids, of: ids.length }, true);
    messages.forEach(feed.take);
    recorded = asRecorded;
    if (!asRecorded) trigger('select', { run: shown, fields: withFields });
    return '';
  }

  /** Finished runs take the stage when the server answers with them, unless others were asked for since. @param {ReturnType<typeof server.open_run>} asked @param {boolean} [asRecorded] @returns {Promise<string>} what is against it */
  async function takeAnswer(asked, asRecorded = false) {
    const mine = ++questions, answer = await answerTo(asked);
    if (mine !== questions) return 'Another run was asked for since.';
    return answer.error || setMessages(answer.messages, asRecorded, !asRecorded);
  }

  /** An example takes the stage. @returns {Promise<string>} what is against it */
  async function openExample(/** @type {string} */ name, at = still.matches ? Infinity : 1, plays = at === 1) {
    const problem = await takeAnswer(server.example({ name }), true);
    if (problem) return problem;
    example = name;
    startAt(at, plays && !still.matches);
    return '';
  }

  /** Recorded runs begin at a step; from the first one they play to their end, where the stage comes to rest. */
  function startAt(/** @type {number} */ at, plays = false) {
    step = bounded(at);
    toRest = plays || at === Infinity;
    show();
    if (plays) play(true); else if (toRest) rest();
  }

  /** The end of the run: what it amounts to, beside the step that shows it best. */
  function rest() {
    const run = main();
    if (!run) return;
    if (toRest) step = bounded(tellingStep(run, plainBeside({ run, step, runs: runs() })));
    summed = true;
    toRest = false;
    phase = null;
    schedule();
  }

  /** A page that closes ends its runs at once; where it cannot say so, the server finds its streams gone. */
  function onPageHide() {
    if (recorded || (announced === scene && over())) return;
    for (const run of new Set([...scene.ids, ...announced.ids])) navigator.sendBeacon(route('leave', { run }));
  }

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
    if (!answer.error) save((run.end?.file || 'run') + '.json', answer.text, 'application/json');
    return answer.error || answer.note || '';
  }

  async function keep() {
    const [run, beside] = forFile();
    keeper.forgetFile();
    keeper.keepIds(runs());
    if (run?.end && over()) await keeper.keepFile(run, beside);
  }

  async function openRun(/** @type {File} */ file) {
    const text = await file.text().catch(() => null);
    if (text === null) return 'cannot be read';
    const problem = await openText(text, 'opened from ' + file.name.slice(0, 40));
    if (problem) return problem;
    if (still.matches) go(Infinity); else play(true);
    await keep();
    return '';
  }

  /** The runs of a run file take the stage. @param {string} text @param {string} note @returns {Promise<string>} what is against it */
  async function openText(text, note) {
    return takeAnswer(server.open_run({ text, note }));
  }

  /** A run of a study takes the stage. @param {string} study @param {string} name @param {number} at @returns {Promise<string>} what is against it */
  async function openOfStudy(study, name, at) {
    const { text, error } = await runOfStudy(study, name);
    const problem = text === undefined ? error || '' : await openText(text, 'a run of a study');
    if (problem) put(one(element, '[data-file-hint]'), problem); else startAt(at);
    return problem;
  }

  /** Draws in the next frame; until then the stage says by no `data-drawn` that it shows less than it knows. */
  function schedule() {
    element.removeAttribute('data-drawn');
    if (planned) return;
    planned = true;
    requestAnimationFrame(() => { planned = false; show(); });
  }

  function show() {
    const run = main();
    if (!run || drawing) return;
    if (toRest && !recorded && following && !playing && over()) rest();
    drawing = true;
    step = bounded(step);
    const found = run.steps[step] || run, isOver = over();
    if (found !== lookedAt) pointed = pinned = null;
    lookedAt = found;
    Object.assign(element.dataset, { run: run.id, kept: kept || '', steps: String(run.steps.length), state: recorded ? 'recorded' : isOver ? 'finished' : 'running' });
    const pictured = drawsPictures(), now = panes.filter(({ calm }) => pictured || !calm);
    const state = { run, step, runs: runs(), over: isOver, live: live(), playing, overTime, node: pointed ?? pinned, speed, following, byHand, phase, summed, kept, pictured, lost };
    for (const { box, pane } of now) {
      mark(box, 'data-phase', phase || '');
      pane.draw(state);
    }
    byHand = drawing = false;
    for (const { pane } of now) pane.settle?.(state);
    if (pictured) element.dataset.drawn = String(step); // by every pane
  }

  /** Whether it is time for the pictures of a run that streams by; what is left out now is drawn a little later. */
  function drawsPictures() {
    const now = performance.now();
    if (live() && following && !byHand && now - picturedAt < CALM_MILLISECONDS) {
      later ??= setTimeout(() => { later = undefined; schedule(); }, CALM_MILLISECONDS);
      return false;
    }
    picturedAt = now;
    return true;
  }

  /** Another step is looked at, or a phase of it: what the whole run amounts to is no longer said. */
  function look(/** @type {number} */ to, /** @type {Phase | null} */ at = null) {
    step = bounded(to);
    phase = at;
    summed = toRest = false;
    schedule();
  }

  /** By hand. */
  function go(/** @type {number} */ to) {
    if (!main()) return;
    showPlaying(false);
    look(to);
    if (live()) following = step === last();
    byHand = true;
  }

  function showRun(/** @type {string} */ id) {
    const atEnd = step === last();
    chosen = true;
    shown = id;
    look(atEnd ? Infinity : step);
    setSpeed(/** @type {Run} */ (main()));
  }

  /** A short run plays slowly enough to be read; a speed that was chosen stays. */
  function setSpeed(/** @type {Run} */ run) {
    if (!speedChosen) speed = run.steps.length <= 24 ? 1 : run.steps.length <= 100 ? 3 : 12;
  }

  function showPlaying(/** @type {boolean} */ now) {
    playing = now;
    clearInterval(timer);
  }

  function play(/** @type {boolean} */ on) {
    showPlaying(on && last() > 0);
    schedule();
    if (!playing) return;
    if (step >= last() || summed) step = 0;
    summed = false;
    if (speed) phase = null;
    timer = setInterval(() => {
      const ended = step >= last() && !live();
      if (ended && (speed || phase === 'accept')) {
        showPlaying(false);
        rest();
      } else if (speed) step = bounded(step + 1);
      else return nextPhase();
      schedule();
    }, speed ? 1000 / speed : PHASE_MILLISECONDS);
  }

  /** The phases of a step, then those of the next; a step without a draft phase (the prompt's) is shown whole. */
  function nextPhase() {
    const at = phase ? PHASES.indexOf(phase) + 1 : 0, run = main();
    if (!run) return;
    const whole = at === PHASES.length || !hasDraft(run.steps[step]), next = whole ? step + 1 : step;
    if (next > last()) return look(step);
    look(next, PHASES[whole ? 0 : at]);
    if (live()) following = false;
    byHand = !playing;
    show();
    if (phase && !still.matches) fly(movesOf(element, phase));
  }

  /** The room of the panes has changed. */
  function redrawn() {
    for (const { pane } of panes) pane.resize?.();
    schedule();
    // On a phone Gradio's figures open from a button that belongs beside those of the run.
    document.documentElement.style.setProperty('--figures-top', one(element, '.all').getBoundingClientRect().top + 'px');
  }

  /** Which pane is shown where there is room for one; "what-if" lies over the others where there is more. */
  function setTab(/** @type {string} */ name) {
    markTab(name);
    redrawn();
  }

  function markTab(/** @type {string} */ name) {
    element.dataset.tabNow = name;
    for (const button of all(element, '[data-tab]')) button.setAttribute('aria-pressed', String(button.dataset.tab === name));
  }

  function onClick(/** @type {MouseEvent} */ event) {
    const name = within(event, '[data-tab]')?.dataset.tab;
    if (name) setTab(within(event, '.side') && element.dataset.tabNow === name ? 'tree' : name);
    const card = element.querySelector('details[open]');
    if (card && !within(event, 'details')) card.removeAttribute('open');
  }

  /** @type {Record<string, () => void>} */
  const moves = { ArrowLeft: () => go(step - 1), ArrowRight: () => go(step + 1), Home: () => go(0), End: () => go(Infinity), ' ': () => (playing ? play(false) : nextPhase()), p: () => play(!playing) };

  /** Fields keep all their keys, the scrubber all but Space and P; buttons and links only Space, which presses them. */
  function keeps(/** @type {KeyboardEvent} */ event) {
    if (within(event, '[data-scrubber]')) return ![' ', 'p'].includes(event.key);
    return within(event, FIELDS) || (event.key === ' ' && within(event, 'button, a, input, summary, [role=button]'));
  }

  function closeAll() {
    if (element.dataset.tabNow === 'what-if') setTab('tree');
    element.querySelector('details[open]')?.removeAttribute('open');
    /** @type {HTMLElement | null} */ (document.querySelector('#figures .label-wrap.open'))?.click();
  }

  function onKey(/** @type {KeyboardEvent} */ event) {
    if (event.key === 'Escape' && !within(event, '#ask')) closeAll();
    if (event.ctrlKey || event.metaKey || event.altKey || !moves[event.key] || keeps(event)) return;
    event.preventDefault();
    moves[event.key]();
  }

  /** @type {Context} */
  const context = {
    server,
    knobs: first.page?.knobs || [],
    sources: first.page?.sources || [],
    examples: first.page?.examples || [],
    go,
    goBy(steps) { go(step + steps); },
    turn() { play(!playing); },
    nextPhase() { showPlaying(false); nextPhase(); },
    setSpeed(stepsPerSecond) { speed = stepsPerSecond; speedChosen = true; if (playing) play(true); },
    follow(on) { following = on; if (on && live()) go(Infinity); },
    raceOver(time) { overTime = time; schedule(); },
    show: showRun,
    point(node) { if (node !== pointed && !drawing) { pointed = node; show(); } },
    pin(node) { if (!drawing) { pointed = pinned = node; show(); } },
    save: saveRun,
    open: openRun,
    keep() { kept = kept === null ? shown : null; schedule(); },
  };
  const panes = all(element, '[data-pane]').map((box) => ({ box, pane: PANES[String(box.dataset.pane)](box, context), calm: CALM.includes(String(box.dataset.pane)) }));
  for (const id in IDS) one(element, IDS[id]).id = id;
  addCards(element);

  const present = makePresenter(element, redrawn), link = readLink(location.search);
  mountTools({ element, examples: context.examples, openExample, present, shown: () => ({ run: main(), step, example }) });
  hideParts(link.hide);

  let width = 0, height = 0;
  new ResizeObserver(([{ contentRect: now }]) => {
    if (Math.abs(now.width - width) < 1 && Math.abs(now.height - height) < 1) return;
    ({ width, height } = now);
    redrawn();
  }).observe(element);
  markTab('tree'); // its room is known when it has been laid out
  element.addEventListener('click', onClick);
  document.addEventListener('keydown', onKey);
  addEventListener('pagehide', onPageHide);

  /** What the address asks for; the first example where it names none. */
  async function begin() {
    const linked = link.study && link.run ? openOfStudy(link.study, link.run, link.step ?? 1) : link.example && openExample(link.example, link.step ?? 1, link.step === null);
    const before = scene, problem = await linked;
    if (scene !== before && problem) return; // another run has been chosen meanwhile
    if (linked && !problem) {
      lost = link.lost;
      schedule();
      if (link.pane) {
        if (element.querySelector('[data-tab="' + link.pane + '"]')) setTab(link.pane);
        one(element, '[data-pane=' + LINKED[link.pane] + ']').scrollIntoView({ block: 'nearest' });
      }
    } else if (first.messages?.length) {
      setMessages(first.messages, first.recorded);
      example = first.example || null;
      startAt(still.matches ? Infinity : 1, !still.matches);
    } else one(element, '#sentence').textContent = 'Enter a prompt and press Run. Every step of the model is shown here.';
    if (link.present) present(true, link.pane);
    const here = scene, messages = linked ? null : await keeper.restored();
    if (!messages || scene !== here || announced !== here || setMessages(messages)) return;
    keep();
    go(Infinity);
  }
  begin();

  return receive;
}
