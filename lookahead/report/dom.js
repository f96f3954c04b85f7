// The document: elements, and text into them, never as markup. The report's policy forbids style attributes, so styles are set by script.

/** Sets attributes of an element and appends to it. @template {Element} E @param {E} node @param {Record<string, any>} attributes @param {(string | Node)[]} content */
export function set(node, attributes, ...content) {
  for (const name in attributes) {
    if (name === 'style') /** @type {any} */ (node).style.cssText = attributes.style;
    else node.setAttribute(name, attributes[name]);
  }
  if (content.length) node.append(...content);
  return node;
}

/** @param {string} tag @param {Record<string, any>} [attributes] @param {(string | Node)[]} content */
export const make = (tag, attributes = {}, ...content) => set(document.createElement(tag), attributes, ...content);

/** An element of a picture. @param {string} tag @param {Record<string, any>} [attributes] @param {(string | Node)[]} content */
export const draw = (tag, attributes = {}, ...content) => set(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, ...content);

/** A button. @param {string | Node} words @param {() => void} pressed @param {Record<string, any>} [attributes] */
export function press(words, pressed, attributes = {}) {
  const button = /** @type {HTMLButtonElement} */ (make('button', { type: 'button', ...attributes }, words));
  button.addEventListener('click', pressed);
  return button;
}

/** A button that copies words; it shows them where the browser does not let it. @param {string} words */
export function copier(words) {
  const button = press('Copy', async () => {
    try {
      await navigator.clipboard.writeText(words);
      button.textContent = 'Copied';
    } catch {
      button.textContent = words;
    }
  }, { class: 'link', title: 'Copy ' + words, 'data-copy': words });
  return button;
}

/** One of a few views: buttons of which one is pressed. @param {string} label @param {Record<string, string>} names by value @param {string} value @param {(value: string) => void} heard */
export function choice(label, names, value, heard) {
  const buttons = Object.entries(names).map(([name, words]) => press(words, () => {
    for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset.value === name));
    heard(name);
  }, { 'data-value': name, 'aria-pressed': String(name === value) }));
  return make('span', { class: 'switch', role: 'group', 'aria-label': label }, ...buttons);
}

/** A list to choose from. @param {string} label @param {string[]} names @param {string} value @param {(value: string) => void} heard */
export function picker(label, names, value, heard) {
  const field = /** @type {HTMLSelectElement} */ (make('select', { 'aria-label': label }, ...names.map((name) => make('option', { value: name }, name))));
  field.value = value;
  field.addEventListener('change', () => heard(field.value));
  return field;
}
