// The stage: takes numbered steps, keeps one step position, and draws every pane at it.

const scene = { lookahead: null, greedy: null, recorded: false, position: 0, live: false, playing: false, overTime: false, details: null };
const KEPT = 'lookahead-run';
const main = () => scene.lookahead || scene.greedy;
const rival = () => (scene.lookahead ? scene.greedy : null);
const stepNow = () => { const run = main(); return run ? run.steps[scene.position] : undefined; };
const still = matchMedia('(prefers-reduced-motion: reduce)');

const stopped = (run) => run.end && run.end.finish_reason === 'cancelled';
const ended = (run) => run.end && (rival() ? !!rival().end : stopped(run) || (run.head.lanes || 1) < 2);

// ---------------------------------------------------------------- messages

function receive(text) {
  if (!text) return;
  const value = JSON.parse(text);
  if (value.messages) { value.messages.forEach(apply); return; }
  scene.recorded = false;
  apply(value);
}

function apply(message) {
  let run = scene[message.lane];
  if (!run || run.id !== message.run) {
    if (!message.head) { fetchSteps({ run: message.run, from: 0 }); return; }
    run = { id: message.run, lane: message.lane, head: message.head, steps: [], end: null };
    if (message.lane === 'lookahead' || !scene.lookahead) startScene();
    scene[message.lane] = run;
    if (run === main()) clearRibbon(run);
  }
  if (message.from > run.steps.length) { fetchSteps({ run: run.id, from: run.steps.length }); return; }
  run.steps.push(...message.steps.slice(run.steps.length - message.from));
  if (message.end) {
    run.end = message.end;
    if (run === main()) scene.live = false;
    remember();
  } else if (run === main()) scene.live = true;
  if (run === main() && scene.live && $('[data-follow]').checked) scene.position = Math.max(0, run.steps.length - 1);
  if (run === main() && run.end && !scene.recorded && $('[data-follow]').checked) scene.position = Math.max(0, run.steps.length - 1);
  schedule();
}

function startScene() {
  Object.assign(scene, { lookahead: null, greedy: null, position: 0 });
  $('[data-detail]').hidden = true;
  tallest = 0;
  pause();
}

const fetchSteps = asker((question) => server.steps(question), (answer) => { if (!answer.error) apply(answer); });

// ---------------------------------------------------------------- text

let shownSteps = 0;

function clearRibbon(run) {
  const box = $('#ribbon');
  const prompt = make('span', { class: 'prompt-text' });
  for (const piece of run.head.prompt) prompt.append(...token(piece, 'prompt', 0));
  box.replaceChildren(prompt);
  shownSteps = 0;
}

function token(piece, kind, step) {
  const lines = piece.split('\n');
  const parts = [];
  lines.forEach((line, i) => {
    const last = i === lines.length - 1;
    if (last && line === '' && i > 0) return;
    const span = make('span', { 'data-step': step, 'data-kind': kind }, visible(line) + (last ? '' : '⏎'));
    parts.push(span);
    if (!last) parts.push(make('br'));
  });
  return parts;
}

function growRibbon(run) {
  const box = $('#ribbon');
  for (; shownSteps < run.steps.length; shownSteps++) {
    const step = run.steps[shownSteps];
    const group = make('span', { class: 'group' });
    step.emitted.forEach(([, piece, kind], place) => {
      const parts = token(piece, kind, step.i);
      parts[0].dataset.place = place;
      group.append(...parts);
    });
    box.append(group);
  }
}

let marked = -1;

function markRibbon(position) {
  const groups = $('#ribbon').children;
  for (let i = 1; i < groups.length; i++) groups[i].classList.toggle('ahead', i - 1 > position);
  if (marked >= 0 && groups[marked]) groups[marked].classList.remove('now');
  marked = position + 1;
  const now = groups[marked];
  if (!now) return;
  now.classList.add('now');
  const box = $('#ribbon');
  const top = now.offsetTop - box.offsetTop;
  if (top < box.scrollTop || top + now.offsetHeight > box.scrollTop + box.clientHeight - 8) box.scrollTop = top - box.clientHeight / 2;
}

function hoverText(span) {
  const run = main();
  const step = run && run.steps[+span.dataset.step];
  if (!step || span.dataset.kind === 'prompt') return 'the prompt, read in the prefill';
  const place = +(span.dataset.place || 0);
  if (span.dataset.kind === 'bonus') return 'step ' + step.i + ': the model’s own token';
  const node = step.path[place];
  const draft = step.draft;
  const rank = draft.p.map((p, i) => [p, i]).slice(1).sort((a, b) => b[0] - a[0]).findIndex((pair) => pair[1] === node) + 1;
  return 'step ' + step.i + ': accepted guess from the ' + draft.source[node] + ', estimated ' + Math.round(100 * draft.p[node]) + ' %, rank ' + rank + ' of ' + (draft.p.length - 1);
}

// ---------------------------------------------------------------- drawing

let planned = false;
let drawnStep = null;

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
  const step = stepNow();
  markRibbon(scene.position);
  const slider = $('#scrubber');
  slider.max = Math.max(0, run.steps.length - 1);
  slider.value = scene.position;
  slider.setAttribute('aria-valuetext', 'step ' + scene.position + ' of ' + (run.steps.length - 1));
  $('[data-step-count]').textContent = run.steps.length ? 'step ' + scene.position + ' / ' + (run.steps.length - 1) : '–';
  element.dataset.steps = run.steps.length;
  element.dataset.state = scene.recorded ? 'recorded' : ended(run) ? 'finished' : 'running';
  $('#sentence').textContent = sentence(run, scene.position);
  $('[data-about]').textContent = [run.head.note, run.head.model, run.head.settings].filter(Boolean).join(' · ');
  if (run.steps.length) {
    drawRace(run, scene.position, rival(), scene.overTime);
    drawNumbers(run, scene.position, rival());
    drawBadge(run, rival());
  }
  if (step !== drawnStep) {
    drawnStep = step;
    drawTree(step);
    drawMask(step);
    if (!$('[data-detail]').hidden) $('[data-detail]').hidden = true;
    if (step) lookAt(step);
  }
  $('#save-run').disabled = !run.end;
  $('[data-svg]').disabled = !(step && step.draft);
  showWhatIf(run);
}

// While a run goes, the trie is looked at a few times a second, so that the page takes no time from the engine.
let lookTimer = null;
const askTrie = asker((question) => server.trie_view(question), (answer, question) => {
  if (main() && main().id === question.run) drawTrie(answer);
});

function lookAt(step) {
  clearTimeout(lookTimer);
  const ask = () => askTrie({ run: main().id, step: (stepNow() || step).i });
  if (scene.live) { if (!lookAt.next || lookAt.next < Date.now()) { lookAt.next = Date.now() + 250; ask(); } }
  lookTimer = setTimeout(ask, scene.playing ? 10 : scene.live ? 250 : 60);
  $('[data-match-label]').textContent = 'Last tokens it knows:';
}

// ---------------------------------------------------------------- moving through the steps

let timer = null;

function go(position) {
  const run = main();
  if (!run) return;
  scene.position = Math.max(0, Math.min(run.steps.length - 1, position));
  if (scene.live) $('[data-follow]').checked = scene.position === run.steps.length - 1;
  schedule();
}

function pause() {
  scene.playing = false;
  clearInterval(timer);
  $('#play').textContent = '▶';
  $('#play').setAttribute('aria-label', 'Play');
}

function play() {
  const run = main();
  if (!run || run.steps.length < 2) return;
  pause();
  if (scene.position >= run.steps.length - 1) scene.position = 0;
  scene.playing = true;
  $('#play').textContent = '❚❚';
  $('#play').setAttribute('aria-label', 'Pause');
  timer = setInterval(() => {
    const last = main().steps.length - 1;
    if (scene.position >= last && !scene.live) { pause(); schedule(); return; }
    scene.position = Math.min(last, scene.position + 1);
    schedule();
  }, 1000 / +$('[data-speed]').value);
  schedule();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest && event.target.closest('input, textarea, select, button, a, [role=listbox], [contenteditable], [role=tab]')) return;
  const moves = { ArrowLeft: () => { pause(); go(scene.position - 1); }, ArrowRight: () => { pause(); go(scene.position + 1); }, ' ': () => (scene.playing ? pause() : play()), Home: () => { pause(); go(0); }, End: () => { pause(); go(1e9); } };
  if (!moves[event.key]) return;
  event.preventDefault();
  moves[event.key]();
}
