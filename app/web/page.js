{
  const NAMES = ['document', 'prompt', 'expected'];
  const FIELDS = NAMES.map((name) => '#' + name + ' textarea').join();
  const inField = ({ target }) => target instanceof Element && target.matches(FIELDS);
  // Typed, pasted or dropped: Gradio's own event comes late, and not for every one of them.
  document.addEventListener('input', (event) => {
    if (!inField(event)) return;
    if (!event.target.closest('#expected') && document.querySelector('#preset input:checked')) document.querySelector('#typed-in')?.click();
    const texts = Object.fromEntries(NAMES.map((name) => [name, document.querySelector('#' + name + ' textarea')?.value ?? '']));
    try { sessionStorage.setItem('lookahead-typed', JSON.stringify(texts)); } catch { /* too long to be kept */ }
  });
  // The fields are filled from the address a moment after they are there: a run that is asked for before waits for that.
  const MOST_WAITED = 5000; // milliseconds
  let filled = false, waiting = null;
  const begin = () => {
    filled = true;
    document.querySelector('#ask')?.toggleAttribute('data-filled', true);
    waiting?.click();
    waiting = null;
  };
  document.addEventListener('filled', begin);
  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element && event.target.closest('#run, #compare');
    if (filled || !button) return;
    event.stopImmediatePropagation();
    if (!waiting) setTimeout(begin, MOST_WAITED);
    waiting = button;
  }, true);
  // The drawer: the fields are one line of the bar until one of them is used.
  const ask = (open) => {
    if (!open) for (const field of document.querySelectorAll(FIELDS)) field.scrollTop = 0; // the one line is the first
    return document.querySelector('#ask')?.toggleAttribute('data-open', open);
  };
  const inside = ({ target }, places) => target instanceof Element && !!target.closest(places);
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && inside(event, '#ask')) { ask(false); event.target.blur(); }
    if (event.key !== 'Enter' || event.isComposing || !(event.ctrlKey || event.metaKey || (event.shiftKey && inField(event)))) return;
    event.preventDefault();
    event.stopPropagation();
    event.target.blur?.();
    ask(false);
    document.querySelector('#run:enabled')?.click();
  }, true);
  document.addEventListener('focusin', (event) => {
    if (inside(event, '#drawer')) ask(true);
    else if (!inside(event, '#ask, #model-picker')) ask(false);
  });
  let around = false; // whether the shade around a phone's sheet was pressed, which is a part of the bar; a press in the line that opens it ends there, too
  document.addEventListener('pointerdown', (event) => {
    around = event.target.id === 'ask';
    if (!inside(event, '#ask, #model-picker')) ask(false); // on a phone the list of models is in the drawer
  });
  document.addEventListener('click', (event) => {
    if (inside(event, '#run, #compare') || (around && event.target.id === 'ask')) ask(false);
    if (!inside(event, '#gear') || !ask()) return;
    document.querySelector('#settings .label-wrap:not(.open)')?.click();
  });
  // A page that is left cuts its requests: no error, but Gradio reports each, and then its broken connection.
  const { error } = console;
  let cutAt = -Infinity;
  console.error = (...what) => {
    const cut = what[0]?.name === 'AbortError';
    if (cut) cutAt = performance.now();
    const follows = performance.now() - cutAt < 1000 && what.join(' ').includes('Connection errored out');
    if (!cut && !follows) error.apply(console, what);
  };
}
