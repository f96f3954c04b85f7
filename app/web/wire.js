// Who listens to what; then the first sight.

const MOVES = {
  ArrowLeft: () => { pause(); go(scene.position - 1); },
  ArrowRight: () => { pause(); go(scene.position + 1); },
  Home: () => { pause(); go(0); },
  End: () => { pause(); go(1e9); },
  ' ': () => (scene.playing ? pause() : play()),
};

const FIELDS = 'input:not([type=checkbox]), textarea, select, [role=listbox], [role=slider], [role=tab], [role=radio], [contenteditable], fieldset:has(input[type=radio])';

// Fields keep all their keys, the scrubber all but the space bar; buttons and links only that, which presses them.
function keeps(target, key) {
  if (target.id === 'scrubber') return key !== ' ';
  return target.closest(FIELDS) || (key === ' ' && target.closest('button, a, input, [role=button]'));
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !MOVES[event.key] || !event.target.closest || keeps(event.target, event.key)) return;
  event.preventDefault();
  MOVES[event.key]();
}

function wireTransport() {
  document.addEventListener('keydown', onKey);
  addEventListener('pagehide', onPageHide);
  $('#play').addEventListener('click', MOVES[' ']);
  $('[data-go=back]').addEventListener('click', MOVES.ArrowLeft);
  $('[data-go=on]').addEventListener('click', MOVES.ArrowRight);
  $('#scrubber').addEventListener('input', ({ target }) => { pause(); go(target.value === target.max ? 1e9 : +target.value); });  // newer steps may not be drawn yet
  $('[data-speed]').addEventListener('change', () => { speedChosen = true; if (scene.playing) play(); });
  $('[data-follow]').addEventListener('change', (event) => { if (event.target.checked && scene.live) go(1e9); });
  $$('[data-over]').forEach((button) => button.addEventListener('click', () => {
    scene.overTime = button.dataset.over === 'time';
    $$('[data-over]').forEach((other) => other.setAttribute('aria-pressed', String(other === button)));
    schedule();
  }));
}

const TOKEN_HINT = 'Point at a token for its source, probability and rank; a click goes to its step.';

function stepSays(step) {
  if (!step.draft) return 'Step 0, the prefill, read the prompt and wrote the first token. ';
  const own = step.emitted.length > step.path.length ? ', 1 of the model’s own. ' : '. ';
  return 'Step ' + step.i + ' wrote ' + plural(step.emitted.length, 'token') + ': ' + (step.path.length ? step.path.length + ' accepted' : 'none accepted') + own;
}

// What the step wrote, in words, until a token is pointed at; the one with the focus comes first.
function tellStep(step) {
  const focused = tokenStop && tokenStop === document.activeElement;
  put($('[data-token-says]'), focused ? tokenSays(tokenStop) : stepSays(step) + TOKEN_HINT);
}

function wireText() {
  const box = $('#ribbon');
  box.addEventListener('click', (event) => {
    const span = event.target.closest('[data-step]');
    if (span) { pause(); go(+span.dataset.step); }
  });
  for (const kind of ['mouseover', 'focusin']) box.addEventListener(kind, (event) => {
    const span = event.target.closest('[data-step]');
    if (span) put($('[data-token-says]'), tokenSays(span));
  });
  for (const kind of ['mouseleave', 'focusout']) box.addEventListener(kind, () => { if (stepNow()) tellStep(stepNow()); });
  box.addEventListener('keydown', (event) => {
    moveAmong($$('#ribbon [data-step]'), event, (span) => { stopAtToken(span); span.focus(); });
    if ((event.key === 'Enter' || event.key === ' ') && event.target === tokenStop) { event.preventDefault(); tokenStop.click(); }
  });
  for (const kind of ['wheel', 'touchmove', 'pointerdown', 'keydown']) box.addEventListener(kind, onRibbonTouch, { passive: true });
  box.addEventListener('scroll', onRibbonScroll, { passive: true });
}

function wireNodes() {
  const nodeOf = (event) => { const group = event.target.closest('[data-node], [data-row]'); return group ? +(group.dataset.node ?? group.dataset.row) : null; };
  for (const box of [$('[data-tree-box]'), $('[data-mask-box]')]) {
    box.addEventListener('mouseover', (event) => { const node = nodeOf(event); if (node !== null) lookAtNode(node); });
    box.addEventListener('mouseleave', () => lookAtNode(pinned));
    box.addEventListener('focusin', (event) => { const node = nodeOf(event); if (node !== null) lookAtNode(node); });
    box.addEventListener('click', (event) => { const node = nodeOf(event); if (node !== null) pinNode(node); });
  }
  $('[data-tree-box]').addEventListener('keydown', (event) => {
    moveAmong($$('#draft-tree [data-node]'), event, (node) => focusIn($('#draft-tree'), node));
    if ((event.key === 'Enter' || event.key === ' ') && nodeOf(event) !== null) { event.preventDefault(); pinNode(nodeOf(event)); }
    if (event.key === 'Escape') { pinned = null; lookAtNode(null); }
  });
}

function wireRest() {
  $('[data-svg]').addEventListener('click', () => saveTree(stepNow()));
  $('[data-graphml]').addEventListener('click', saveGraph);
  const tries = $('[data-trie-box]');
  for (const kind of ['mouseover', 'focusin']) tries.addEventListener(kind, (event) => tellGram(event.target.closest('[data-gram]')));
  for (const kind of ['mouseleave', 'focusout']) tries.addEventListener(kind, () => tellGram(null));
  tries.addEventListener('keydown', (event) => moveAmong($$('[data-gram]'), event, (gram) => focusIn(tries, gram)));
  const field = $('[data-search] input');
  $('[data-search]').addEventListener('submit', (event) => { event.preventDefault(); search(field.value); });
  field.addEventListener('input', () => { if (!field.value && searched) search(''); });
  $$('[data-knob], [data-source-knob]').forEach((knob) => knob.addEventListener('input', replay));
  $('[data-reset]').addEventListener('click', () => setKnobs(main()));
  $('#save-run').addEventListener('click', saveRun);
  $('#open-run').addEventListener('change', (event) => openFile(event.target));
  let wide = 0;
  new ResizeObserver(([entry]) => {
    if (Math.abs(entry.contentRect.width - wide) < 1) return;
    wide = entry.contentRect.width;
    treeRoom = maskRoom = trieRoom = tallest = 0;
    drawnStep = null;
    schedule();
  }).observe($('[data-tree-box]'));
}

function firstSight(text) {
  if (!text) {
    drawnStep = null;
    $('#sentence').textContent = 'Write a prompt and press Run: every step of the model will be shown here.';
    return;
  }
  scene.recorded = true;
  receive(text);
  if (main()) setSpeed(main());
  scene.position = still.matches ? 1e9 : 1;
  show();
  if (!still.matches) play();
}

buildNumbers();
wireTransport();
wireText();
wireNodes();
wireRest();
showDetail(null, null, null);
watch('value', () => receive(props.value));
firstSight(props.value);
restore();
