// Controls of the stage, what if, files, what a reload restores; then the first sight.

// ---------------------------------------------------------------- what if

const NUMBERS = [
  ['mean_accepted_tokens', 'Mean accepted tokens', 2, 1], ['acceptance_rate', 'Acceptance rate, %', 1, 100], ['forward_passes', 'Forward passes', 0, 1],
  ['draft_tokens_per_step', 'Draft tokens a step', 1, 1], ['decode_seconds', 'Decode time, ms', 0, 1000],
];
let knobsFor = null;

function showWhatIf(run) {
  const panel = $('#what-if');
  panel.hidden = !run.end || run.lane !== 'lookahead' || run.end.tokens < 2;
  if (panel.hidden || knobsFor === run.id) return;
  knobsFor = run.id;
  const config = run.head.config;
  $('[data-knob="decoding_length"]').value = config.decoding_length;
  $('[data-knob="branch_length"]').value = config.branch_length || 0;
  for (const name of ['strategy', 'budget', 'ranking']) $('[data-knob="' + name + '"]').value = config[name];
  $$('[data-source-knob]').forEach((box) => { box.checked = config.sources.includes(box.dataset.sourceKnob); });
  replay();
}

const askWhatIf = asker((question) => server.what_if(question), (answer, question) => {
  if (!main() || main().id !== question.run) return;
  const hint = $('[data-what-if-hint]');
  if (answer.error) { hint.textContent = answer.error; return; }
  hint.textContent = 'Same tokens, since greedy verification fixes the output. Passes and acceptance are exact; the what-if time is estimated from the measured T(n).';
  $('[data-what-if-rows]').replaceChildren(...NUMBERS.map(([name, title, digits, factor]) => {
    const row = make('tr', { 'data-what-if': name });
    const cell = (value) => number(value === null ? null : factor * value, digits);
    row.append(make('th', { scope: 'row' }, title), make('td', {}, cell(answer.real[name])));
    const estimate = cell(answer.estimate[name]);
    row.append(make('td', {}, name === 'decode_seconds' && estimate !== '–' ? '≈ ' + estimate : estimate));
    return row;
  }));
});

function replay() {
  const config = {};
  for (const name of ['decoding_length', 'branch_length']) {
    config[name] = +$('[data-knob="' + name + '"]').value;
    $('[data-out="' + name + '"]').textContent = name === 'branch_length' && !config[name] ? 'no limit' : config[name];
  }
  for (const name of ['strategy', 'budget', 'ranking']) config[name] = $('[data-knob="' + name + '"]').value;
  config.sources = $$('[data-source-knob]').filter((box) => box.checked).map((box) => box.dataset.sourceKnob);
  askWhatIf({ run: main().id, config });
}

// ---------------------------------------------------------------- files and reload

async function remember() {
  if (scene.recorded || scene.restoring) return;
  const kept = [];
  for (const run of [scene.lookahead, scene.greedy]) {
    if (!run || !run.end) continue;
    const answer = await server.run_file({ run: run.id });
    if (!answer.error) kept.push(answer.text);
  }
  try { sessionStorage.setItem(KEPT, JSON.stringify(kept)); } catch { sessionStorage.removeItem(KEPT); }
}

async function openTexts(texts, note) {
  const answers = [];
  for (const text of texts) answers.push(await server.open_run({ text, note }));
  const failed = answers.find((answer) => answer.error);
  if (failed) return failed.error;
  scene.recorded = false;
  scene.restoring = true;
  scene.lookahead = scene.greedy = null;
  answers.forEach(apply);
  scene.restoring = false;
  scene.position = 0;
  schedule();
  return null;
}

async function restore() {
  let texts = null;
  try { texts = JSON.parse(sessionStorage.getItem(KEPT)); } catch { texts = null; }
  if (!Array.isArray(texts) || !texts.length) return false;
  const problem = await openTexts(texts, 'restored after a reload');
  if (problem) { sessionStorage.removeItem(KEPT); return false; }
  go(1e9);
  return true;
}

async function openFile(input) {
  const file = input.files[0];
  const hint = $('[data-file-hint]');
  if (!file) return;
  hint.textContent = 'Opening ' + file.name + ' …';
  try {
    const problem = file.size > 32e6 ? 'larger than 32 MB' : await openTexts([await file.text()], 'opened from ' + file.name.slice(0, 40));
    hint.textContent = problem ? file.name + ': ' + problem : file.name + ' is open.';
    if (!problem) { await remember(); play(); }
  } catch (error) {
    hint.textContent = file.name + ': cannot be read.';
  }
  input.value = '';
}

// ---------------------------------------------------------------- wiring

function wire() {
  document.addEventListener('keydown', onKey);
  $('#play').addEventListener('click', () => (scene.playing ? pause() : play()));
  $('[data-go=back]').addEventListener('click', () => { pause(); go(scene.position - 1); });
  $('[data-go=on]').addEventListener('click', () => { pause(); go(scene.position + 1); });
  $('#scrubber').addEventListener('input', (event) => { pause(); go(+event.target.value); });
  $('[data-speed]').addEventListener('change', () => { if (scene.playing) play(); });
  $('[data-follow]').addEventListener('change', (event) => { if (event.target.checked && scene.live) go(1e9); });
  $$('[data-over]').forEach((button) => button.addEventListener('click', () => {
    scene.overTime = button.dataset.over === 'time';
    $$('[data-over]').forEach((other) => other.setAttribute('aria-pressed', String(other === button)));
    schedule();
  }));
  $('#ribbon').addEventListener('click', (event) => {
    const span = event.target.closest('[data-step]');
    if (span) { pause(); go(+span.dataset.step); }
  });
  $('#ribbon').addEventListener('mouseover', (event) => {
    const span = event.target.closest('[data-step]');
    if (span && !span.title) span.title = hoverText(span);
  });
  const nodeOf = (event) => { const group = event.target.closest('[data-node], [data-row]'); return group ? +(group.dataset.node ?? group.dataset.row) : null; };
  for (const box of [$('[data-tree-box]'), $('[data-mask-box]')]) {
    box.addEventListener('mouseover', (event) => link(stepNow(), nodeOf(event)));
    box.addEventListener('mouseleave', () => link(null, null));
    box.addEventListener('focusin', (event) => link(stepNow(), nodeOf(event)));
    box.addEventListener('click', (event) => details(nodeOf(event)));
    box.addEventListener('keydown', (event) => { if (event.key === 'Enter') details(nodeOf(event)); });
  }
  $('[data-svg]').addEventListener('click', () => saveTree(stepNow()));
  $('[data-graphml]').addEventListener('click', async () => {
    const answer = await server.graph_file({ run: main().id, step: scene.position });
    if (answer.text) save('trie-step-' + scene.position + '.graphml', answer.text, 'application/xml');
    else $('[data-trie-hint]').textContent = answer.error;
  });
  $('[data-search]').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = event.target.querySelector('input').value;
    $('[data-match-label]').textContent = text ? 'Found:' : 'Last tokens it knows:';
    if (main()) askTrie({ run: main().id, step: scene.position, text });
  });
  $$('[data-knob], [data-source-knob]').forEach((knob) => knob.addEventListener('input', replay));
  $('#save-run').addEventListener('click', async () => {
    const answer = await server.run_file({ run: main().id });
    if (answer.text) save('run.json', answer.text, 'application/json');
    else $('[data-file-hint]').textContent = answer.error;
  });
  $('#open-run').addEventListener('change', (event) => openFile(event.target));
  new ResizeObserver(() => { drawnStep = null; schedule(); }).observe($('[data-tree-box]'));
}

async function details(node) {
  const step = stepNow();
  if (node === null || !step || !step.draft) return;
  showDetail(step, node, null);
  if (!node) return;
  const answer = await server.node_seen({ run: main().id, step: step.i, node });
  if (stepNow() === step && !$('[data-detail]').hidden) showDetail(step, node, answer);
}

function firstSight(text) {
  if (!text) {
    $('#sentence').textContent = 'Write a prompt and press Run: every step of the model will be shown here.';
    return;
  }
  scene.recorded = true;
  receive(text);
  scene.position = still.matches ? 1e9 : 0;
  show();
  if (!still.matches) play();
}

buildNumbers();
wire();
watch('value', () => receive(props.value));
firstSight(props.value);
restore();
