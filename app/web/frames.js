{
  // Runs before Gradio's own scripts. The clock of its loading screen asks for frame after frame, also when the screen has
  // long gone: on a page at rest the browser would work sixty times a second. Its clocks tick four times a second here.
  const CLOCKS = '/statustracker-', TICK_MILLISECONDS = 250;
  const frame = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (callback) => {
    const callers = new Error().stack?.split('\n', 3) || []; // browsers differ by a line
    if (!callers.some((caller) => caller.includes(CLOCKS))) return frame(callback);
    return setTimeout(() => callback(performance.now()), TICK_MILLISECONDS);
  };
}
