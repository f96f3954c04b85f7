// Makes a page slow: frames, timeouts and streamed messages come `slow` milliseconds late, in their order; answers from the
// server by half to twice as much, so that a later question may be answered first.
(slow) => {
  const { requestAnimationFrame: frame, setTimeout: later, fetch: ask, EventSource: Stream } = window;
  const pause = (milliseconds) => new Promise((done) => later(done, milliseconds));
  const frames = new Map();
  let count = 0, seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  window.requestAnimationFrame = (draw) => {
    const id = ++count, drawNow = (now) => frames.delete(id) && draw(now);
    frames.set(id, later(() => frame(drawNow), slow));
    return id;
  };
  window.cancelAnimationFrame = (id) => frames.delete(id);
  window.setTimeout = (act, milliseconds = 0, ...more) => later(act, Number(milliseconds) + slow, ...more);
  window.fetch = async (...asked) => {
    const answer = await ask(...asked);
    await pause(slow * (0.5 + 1.5 * random()));
    return answer;
  };
  window.EventSource = class extends Stream {
    get onmessage() { return this.heard; }
    set onmessage(hear) {
      this.heard = hear;
      this.addEventListener('message', (event) => later(() => hear(event), slow));
    }
  };
}
