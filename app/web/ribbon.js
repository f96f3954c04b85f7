// The text, token by token, grouped by the step that brought it; it follows the step until somebody scrolls it.

let groups = []; // one a step
let marked = -1; // the group of the current step
let lit = 0; // groups up to here are past, those from here on are still to come
let tokenStop = null; // the token that the tab key leads to
let scrolledAway = false;
let touchedAt = -1e9;

function clearRibbon(run) {
  const prompt = make('span', { class: 'prompt-text', role: 'group', 'aria-label': 'prompt' });
  for (const piece of run.head.prompt) prompt.append(...token(piece, 'prompt', 0));
  $('#ribbon').replaceChildren(prompt);
  groups = [];
  marked = -1;
  lit = 0;
  tokenStop = null;
  scrolledAway = false;
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
  if (groups.length === run.steps.length) return;
  const fresh = [];
  for (const step of run.steps.slice(groups.length)) {
    const group = make('span', { class: 'group ahead', role: 'group', 'aria-label': groupSays(step) });
    step.emitted.forEach(([, piece, kind], place) => {
      const parts = token(piece, kind, step.i);
      for (const part of parts) if (part.dataset) part.dataset.place = place;
      group.append(...parts);
    });
    groups.push(group);
    fresh.push(group);
  }
  $('#ribbon').append(...fresh);
}

function groupSays(step) {
  const accepted = step.emitted.filter(([, , kind]) => kind === 'accepted').length;
  const own = step.emitted.length - accepted;
  return 'step ' + step.i + ': ' + [accepted && accepted + ' accepted', own && own + ' bonus'].filter(Boolean).join(', ');
}

// Only the groups between the old place and the new one change.
function markRibbon(position) {
  const now = groups[position];
  if (!now) return;
  if (marked >= 0 && groups[marked]) groups[marked].classList.remove('now');
  for (; lit <= position; lit++) groups[lit].classList.remove('ahead');
  for (; lit > position + 1; lit--) groups[lit - 1].classList.add('ahead');
  if (marked !== position) holdStep(now);
  marked = position;
  now.classList.add('now');
}

// The tab stop goes with the step; the focus, too, where the step is chosen by hand.
function holdStep(now) {
  const focused = $('#ribbon').contains(document.activeElement);
  const first = now.firstElementChild;
  if (!first || (focused && (scene.playing || scene.live || now.contains(document.activeElement)))) return;
  stopAtToken(first);
  if (focused) first.focus({ preventScroll: true });
}

// One token is a tab stop, and is named; the others are read as the text that they are.
function stopAtToken(span) {
  if (tokenStop) for (const name of ['tabindex', 'role', 'aria-label']) tokenStop.removeAttribute(name);
  tokenStop = span;
  span.setAttribute('tabindex', 0);
  span.setAttribute('role', 'button');
  span.setAttribute('aria-label', tokenSays(span));
}

// The last thing that is done for a step: it reads the layout, which nothing may change any more after it.
function followRibbon() {
  const box = $('#ribbon');
  const now = groups[marked];
  if (!now || scrolledAway) return;
  const top = now.offsetTop, bottom = top + now.offsetHeight;
  if (top < box.scrollTop + 8 || bottom > box.scrollTop + box.clientHeight - 12) {
    box.scrollTop = Math.max(0, Math.min(top - 24, bottom - box.clientHeight / 2));
  }
}

// Whoever scrolls the text is left where they are, until the step comes into sight again or is moved by hand.
function onRibbonTouch() {
  touchedAt = performance.now();
}

function onRibbonScroll() {
  if (performance.now() - touchedAt > 700) return;
  touchedAt = performance.now();
  const box = $('#ribbon');
  const now = groups[marked];
  scrolledAway = !!now && (now.offsetTop + now.offsetHeight < box.scrollTop || now.offsetTop > box.scrollTop + box.clientHeight);
}

function tokenSays(span) {
  const run = main();
  if (!run) return '';
  if (span.dataset.kind === 'prompt') return 'The prompt, read in the prefill.';
  const step = run.steps[+span.dataset.step];
  if (!step) return '';
  const place = +span.dataset.place;
  const name = '“' + label(step.emitted[place][1], 24) + '”';
  if (span.dataset.kind === 'bonus') return name + ', step ' + step.i + ': the model’s own token.';
  const node = step.path[place];
  return name + ', step ' + step.i + ': accepted draft token, source ' + step.draft.source[node] + ', estimated ' + percent(step.draft.p[node]) + ', rank ' + ranks(step)[node] + ' of ' + (step.draft.p.length - 1) + '.';
}
