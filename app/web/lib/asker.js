// Questions to the server.

/** @import { Answer } from '../types' */

/** What the server answers; `{error}` where it cannot be reached (Gradio then gives nothing). @template T @param {Promise<Answer<T>>} asked @returns {Promise<Answer<T>>} */
export async function answerTo(asked) {
  const answer = await asked.catch(() => null);
  return answer || /** @type {Answer<T>} */ ({ error: 'The server did not answer.' });
}

/**
 * Asks one question at a time; of several that wait only the last is asked.
 * @template Q, A @param {(question: Q) => Promise<Answer<A>>} ask @param {(answer: Answer<A>, question: Q) => void} use
 */
export function asker(ask, use) {
  let busy = false;
  /** @type {Q | null} */ let waiting = null;
  return async function put(/** @type {Q} */ question) {
    waiting = question;
    if (busy) return;
    busy = true;
    while (waiting !== null) {
      const next = /** @type {Q} */ (waiting);
      waiting = null;
      use(await answerTo(ask(next)), next);
    }
    busy = false;
  };
}
