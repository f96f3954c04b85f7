// What a visitor has done so far, kept in the browser; where storage is blocked it lasts as long as the page.

const KEY = 'lookahead-learn';

/** @typedef {Record<string, { task?: string | boolean, right?: boolean }>} Done by chapter */

/** @returns {Done} */
function stored() {
  try {
    const known = JSON.parse(localStorage.getItem(KEY) || '{}');
    return known && typeof known === 'object' && !Array.isArray(known) ? known : {};
  } catch { return {}; }
}

/** Progress of all chapters. */
export function makeProgress() {
  const done = stored();
  const of = (/** @type {string} */ slug) => Object(done[slug]);
  return {
    /** Whether a chapter's task is done and its question answered. */
    whole: (/** @type {string} */ slug) => !!(of(slug).task && of(slug).right),
    /** Whether one of the two is. */
    begun: (/** @type {string} */ slug) => !!(of(slug).task || of(slug).right),
    /** What was noticed when a chapter's task was done; '' where it was not. @param {string} slug @returns {string} */
    noticed(slug) {
      const { task } = of(slug);
      return typeof task === 'string' ? task : task ? 'Done.' : '';
    },
    /** @param {string} slug @param {'task' | 'right'} what @param {string | true} [said] what was noticed */
    note(slug, what, said = true) {
      done[slug] = { ...of(slug), [what]: said };
      try { localStorage.setItem(KEY, JSON.stringify(done)); } catch { /* lasts as long as the page */ }
    },
  };
}
