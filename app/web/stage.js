// The stage: takes numbered steps, keeps one step position, and draws every pane at it.

const scene = { lookahead: null, greedy: null, recorded: false, restoring: false, position: 0, live: false, playing: false, overTime: false };
const gone = new Set();
const KEPT = 'lookahead-run';
const KEPT_IDS = 'lookahead-run-ids';
const main = () => scene.lookahead || scene.greedy;
const rival = () => (scene.lookahead ? scene.greedy : null);
const stepNow = () => { const run = main(); return run ? run.steps[scene.position] : undefined; };
const still = matchMedia('(prefers-reduced-motion: reduce)');

const stopped = (run) => run.end && !whole(run);
const brokeOff = (run) => {
  const reason = run.end && run.end.finish_reason;
  return reason === 'error' ? 'broke off' + (run.end.problem ? ': ' + run.end.problem : '') : reason === 'cancelled' ? 'stopped before its end' : '';
};
// Both lanes, where two were asked for; a pair that was stopped between them gets no second one.
const ended = (run) => run.end && (rival() ? !!rival().end : stopped(run) || (run.head.lanes || 1) < 2 || !document.querySelector('#stop:enabled'));
const stopWatch = new MutationObserver(() => schedule());

// ---------------------------------------------------------------- messages

function receive(text) {
  if (!text) return;
  const value = JSON.parse(text);
  if (value.messages) { value.messages.forEach(apply); return; }
  take(value);
}

// The head of a run takes the stage from the recorded one; where that was lost, it is asked for.
function take(message) {
  if (message.head) scene.recorded = false;
  apply(message);
}

function apply(message) {
  if (gone.has(message.run)) return;
  let run = scene[message.lane];
  if (!run || run.id !== message.run) {
    if (!message.head) { fetchSteps({ run: message.run, from: 0 }); return; }
    run = { id: message.run, lane: message.lane, head: message.head, steps: [], end: null, feed: null };
    if (message.lane === 'lookahead' || !scene.lookahead) startScene();
    else if (!scene.lookahead.end) fetchSteps({ run: scene.lookahead.id, from: scene.lookahead.steps.length });
    scene[message.lane] = run;
    if (run === main()) clearRibbon(run);
    if (!message.end) {
      keepIds();
      run.feed = feed(run, message.steps.length);
      stopWatch.observe(document.querySelector('#stop'), { attributeFilter: ['disabled'] });
    }
  }
  if (run.end) return;  // the feed and the queue both bring it
  if (message.from > run.steps.length) { fetchSteps({ run: run.id, from: run.steps.length }); return; }
  run.steps.push(...message.steps.slice(run.steps.length - message.from));
  const shown = run === main();
  if (message.end) {
    run.end = message.end;
    if (run.feed) run.feed.close();
    if (shown) { scene.live = false; setSpeed(run); }
    remember();
  } else if (shown) scene.live = true;
  if (shown && (scene.live || (run.end && !scene.recorded)) && $('[data-follow]').checked) scene.position = Math.max(0, run.steps.length - 1);
  schedule();
}

// An address of the app's own routes.
function route(name, run) {
  const { root } = window.gradio_config || {};
  const base = new URL(root || '/', location.href).pathname.replace(/\/$/, '');
  return base + '/gradio_api/lookahead/' + name + '?run=' + encodeURIComponent(run.id);
}

// A page that closes ends its run at once; where it cannot say so, the next beat finds it gone.
function onPageHide() {
  if (main() && !ended(main())) navigator.sendBeacon(route('leave', main()));
}

// The steps of a run as they come. A page that falls behind hears it from the beats in Gradio's queue, and asks.
function feed(run, from) {
  const source = new EventSource(route('steps', run) + '&from=' + from);
  source.onmessage = (event) => apply(JSON.parse(event.data));
  return source;
}

// A run that has left the stage stays away, whatever still comes of it.
function leave(run) {
  if (run.feed) run.feed.close();
  gone.add(run.id);
  delete fetchers[run.id];
}

function startScene() {
  for (const run of [scene.lookahead, scene.greedy]) if (run) leave(run);
  Object.assign(scene, { lookahead: null, greedy: null, position: 0 });
  tallest = 0;
  searched = '';
  $('[data-search]').reset();
  pause();
  if (!scene.recorded && !scene.restoring) bringIntoSight();
}

// Where the page is one column, Run stands below what it starts.
function bringIntoSight() {
  const place = $('#sentence').getBoundingClientRect();
  if (place.bottom < 0 || place.top > innerHeight) element.scrollIntoView({ block: 'start', behavior: still.matches ? 'auto' : 'smooth' });
}

const fetchers = {};

function fetchSteps(question) {
  fetchers[question.run] ||= asker((asked) => server.steps(asked), (answer) => { if (!answer.error) take(answer); });
  fetchers[question.run](question);
}

// ---------------------------------------------------------------- drawing

let planned = false;
let drawnStep = null;
let wasOver = false;

function schedule() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => { planned = false; show(); });
}

function show() {
  const run = main();
  if (!run) return;
  growRibbon(run);
  scene.position = Math.max(0, Math.min(scene.position, run.steps.length - 1));
  const last = run.steps.length - 1;
  const step = stepNow();
  const over = !!ended(run);
  markRibbon(scene.position);
  const slider = $('#scrubber');
  slider.max = Math.max(0, last);
  slider.value = scene.position;
  slider.setAttribute('aria-valuetext', 'step ' + scene.position + ' of ' + Math.max(0, last));
  put($('[data-step-count]'), step ? 'step ' + scene.position + ' / ' + last : '–');
  element.dataset.run = run.id;
  element.dataset.steps = run.steps.length;
  element.dataset.state = scene.recorded ? 'recorded' : over ? 'finished' : 'running';
  drawSentence(run, scene.position);
  put($('[data-about]'), [run.head.note, run.head.model, run.head.settings, brokeOff(run)].filter(Boolean).join(' · '));
  if (step) {
    drawRace(run, scene.position, rival(), scene.overTime);
    drawNumbers(run, scene.position, rival());
    drawBadge(run, rival());
  }
  const moved = step !== drawnStep;
  if (moved) {
    drawnStep = step;
    drawTree(step);
    drawMask(step);
    forgetNode(step);
    if (step) tellStep(step);
  }
  if (step && (moved || !over || !wasOver)) lookAt();
  if (over && !wasOver) askWhereSeen();
  wasOver = over;
  $('#save-run').disabled = $('[data-graphml]').disabled = !over;
  $('[data-svg]').disabled = !(step && step.draft);
  showWhatIf(run);
  followRibbon();
}

// ---------------------------------------------------------------- moving through the steps

let timer = null;
let speedChosen = false;

// By hand: the text follows again, wherever it was scrolled to.
function go(position) {
  const run = main();
  if (!run) return;
  scene.position = Math.max(0, Math.min(run.steps.length - 1, position));
  if (scene.live) $('[data-follow]').checked = scene.position === run.steps.length - 1;
  scrolledAway = false;
  schedule();
}

// A short run plays slowly enough to be read; whoever chooses a speed keeps it.
function setSpeed(run) {
  if (speedChosen) return;
  const steps = run.steps.length;
  $('[data-speed]').value = steps <= 24 ? '1' : steps <= 100 ? '3' : '12';
}

function showPlaying(playing) {
  scene.playing = playing;
  clearInterval(timer);
  $('#ribbon').classList.toggle('playing', playing);
  $('#play').textContent = playing ? '❚❚' : '▶';
  $('#play').setAttribute('aria-label', playing ? 'Pause' : 'Play');
}

function pause() {
  showPlaying(false);
}

function play() {
  const run = main();
  if (!run || run.steps.length < 2) return;
  if (scene.position >= run.steps.length - 1) scene.position = 0;
  showPlaying(true);
  timer = setInterval(() => {
    const last = main().steps.length - 1;
    if (scene.position >= last && !scene.live) { pause(); return; }
    scene.position = Math.min(last, scene.position + 1);
    schedule();
  }, 1000 / +$('[data-speed]').value);
  schedule();
}
