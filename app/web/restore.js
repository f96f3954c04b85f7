// The runs on the stage, kept for a reload: their ids, and their file for when the server no longer has them.

import { answerTo } from './lib/asker.js';

/** @import { Run, Server, StepMessage } from './types' */

const FILE = 'lookahead-run';
const IDS = 'lookahead-run-ids';
const NOTE = 'restored after a reload';
const TRIES = 20, TRY_AGAIN = 100; // a run that was left in its middle ends when the server finds its page gone

/** The text of a run's file, with the run beside it where there is one. @param {Server} server @param {Run} run @param {Run} [beside] */
export const fileOf = (server, run, beside) => answerTo(server.run_file({ run: run.id, beside: beside ? beside.id : null }));

export function makeKeeper(/** @type {Server} */ server) {
  let kept = 0, keptIds = '';

  /** Called at every message of a run: the storage is slow. */
  function keepIds(/** @type {Run[]} */ runs) {
    const ids = JSON.stringify(runs.map((run) => run.id));
    if (ids !== keptIds) sessionStorage.setItem(IDS, keptIds = ids);
  }

  /** Keeps the file of a run, without the one beside it where both are too much. */
  async function keepFile(/** @type {Run} */ run, /** @type {Run=} */ beside) {
    const mine = ++kept;
    sessionStorage.removeItem(FILE);
    for (const other of beside ? [beside, undefined] : [undefined]) {
      const answer = await fileOf(server, run, other);
      if (answer.error || mine !== kept) return;
      try { sessionStorage.setItem(FILE, answer.text); return; } catch { sessionStorage.removeItem(FILE); }
    }
  }

  /** While the server has the runs, it also has what they drafted from. @returns {Promise<StepMessage[] | null>} */
  async function onServer() {
    /** @type {string[]} */ const ids = JSON.parse(sessionStorage.getItem(IDS) || '[]');
    const ask = () => Promise.all(ids.map((run) => answerTo(server.steps({ run, from: 0 }))));
    let messages = await ask();
    for (let tries = 0; tries < TRIES && messages.some((message) => !message.end && !message.error); tries++) {
      await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN));
      messages = await ask();
    }
    if (!messages.length || !messages.every(({ end, steps }) => end && (steps.length || end.finish_reason !== 'cancelled'))) return null;
    for (const { head } of messages) if (head) head.note = [NOTE, head.note].filter(Boolean).join(' · ');
    return messages;
  }

  /** The messages of the kept runs; null where nothing was kept or it cannot be read. @returns {Promise<StepMessage[] | null>} */
  async function restored() {
    const text = sessionStorage.getItem(FILE);
    const messages = await onServer();
    if (messages || !text) return messages;
    const answer = await answerTo(server.open_run({ text, note: NOTE }));
    if (answer.error) sessionStorage.removeItem(FILE);
    return answer.messages || null;
  }

  return { keepIds, keepFile, forgetFile: () => sessionStorage.removeItem(FILE), restored };
}
