// The runs that the page knows, from their messages and step streams.

/** @import { Run, StepMessage } from './types' */

const TRIES = 5;
const TRY_AGAIN = 1000; // milliseconds

/** An address of the app's own routes, wherever the app is served. @param {string} name @param {Record<string, any>} query */
export const route = (name, query) => new URL('../' + name + '?' + new URLSearchParams(query), import.meta.url).href;

/** The file of a run of a study of the lab. @param {string} study @param {string} run @returns {Promise<{ text?: string, error?: string }>} */
export async function runOfStudy(study, run) {
  const answer = await fetch(new URL('../../../lab/studies/' + study + '/runs/' + run, import.meta.url)).catch(() => null);
  const text = await answer?.text().catch(() => '') || '';
  if (answer?.ok) return { text };
  try { return { error: JSON.parse(text).error }; } catch { return { error: 'The server did not answer.' }; }
}

/**
 * The runs by id, as far as they have come. A run is there once its head is; its steps come by its own stream, which connects again where it was cut.
 * @param {(run: Run) => void} hear called when a run has begun, grown or ended
 */
export function makeFeed(hear) {
  /** @type {Map<string, Run>} */ const runs = new Map();
  /** @type {Map<string, EventSource | null>} null: to be connected again */ const streams = new Map();

  /** Takes a message, wherever it came from. */
  function take(/** @type {StepMessage} */ message) {
    let run = runs.get(message.run);
    if (!run) {
      if (!message.head) return connect(message.run, 0);
      run = { id: message.run, method: message.method, head: message.head, steps: [], end: null };
      runs.set(run.id, run);
    }
    if (run.end) return;
    if (message.from > run.steps.length) return connect(run.id, 0);
    run.steps.push(...message.steps.slice(run.steps.length - message.from));
    if (message.end) {
      run.end = message.end;
      close(run.id);
    }
    hear(run);
  }

  /** @param {string} id @param {number} tries that failed before */
  function connect(id, tries) {
    close(id);
    const from = runs.get(id)?.steps.length || 0;
    const stream = new EventSource(route('steps', { run: id, from }));
    streams.set(id, stream);
    stream.onmessage = (event) => {
      tries = 0;
      if (streams.get(id) === stream) take(JSON.parse(event.data));
    };
    stream.onerror = () => {  // a connection that is cut is made again by the browser; one that was refused is not
      if (stream.readyState !== EventSource.CLOSED || streams.get(id) !== stream) return;
      streams.set(id, null);
      if (tries < TRIES) setTimeout(() => { if (streams.get(id) === null) connect(id, tries + 1); }, TRY_AGAIN);
    };
  }

  function close(/** @type {string} */ id) {
    streams.get(id)?.close();
    streams.delete(id);
  }

  return {
    runs,
    take,
    /** Opens the stream of a run that is not known yet. */
    open(/** @type {string} */ id) { if (!runs.has(id) && !streams.has(id)) connect(id, 0); },
    /** Forgets a run; nothing more of it is heard. */
    drop(/** @type {string} */ id) {
      close(id);
      runs.delete(id);
    },
  };
}
