// Questions to the server.

/** @import { Answer } from '../types' */

/**
 * What the server answers; `{error}` where it cannot be reached (Gradio then gives nothing).
 * @template T
 * @param {Promise<Answer<T>>} asked
 * @returns {Promise<Answer<T>>}
 */
export async function answerTo(asked) {
  try {
    const answer = await asked;
    if (answer) return answer;
  } catch { /* as no answer */ }
  return /** @type {Answer<T>} */ ({ error: 'The server did not answer.' });
}

/**
 * Asks one question at a time; of several that wait only the last is asked.
 * @template Q, A
 * @param {(question: Q) => Promise<Answer<A>>} ask
 * @param {(answer: Answer<A>, question: Q) => void} use
 * @returns {(question: Q) => Promise<void>}
 */
export function asker(ask, use) {
  let busy = false;
  /** @type {Q | null} */
  let waiting = null;
  return async function put(question) {
    if (busy) { waiting = question; return; }
    busy = true;
    for (let next = /** @type {Q | null} */ (question); next !== null; next = waiting) {
      waiting = null;
      use(await answerTo(ask(next)), next);
    }
    busy = false;
  };
}
