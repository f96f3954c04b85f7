"""What ``speed.py`` compares: the command line, the app read by a script, and the app watched in Chromium."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCRUBBED = "500 steps"
CASES = {
    "one token a pass": ("abc abc abc", 1, 250),
    "drafts, width 32": ("Tell a story that begins: Once upon a time there was a king who had three sons.", 32, 250),
    SCRUBBED: ("abc abc abc", 1, 500),
}
"""Prompt, decoding_length and most new tokens of what is measured."""


class CommandLine:
    """The command line's own loop in a process of its own, asked run by run."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def run(self, name: str) -> float:
        """Milliseconds per pass of one run."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    @staticmethod
    def serve() -> None:
        """What the process does: the loop of ``python -m lookahead generate --json``."""
        sys.path.insert(0, str(ROOT))
        from lookahead.process import wait_briefly

        wait_briefly()  # as the command line does
        from argparse import Namespace

        from lookahead import HFBackend, LookaheadConfig, LookaheadEngine
        from lookahead.cli import generate
        from lookahead.hf.describe import model_info
        from lookahead.hf.quiet import quiet
        from lookahead.process import everything_stays
        from lookahead.runs.recorder import RecordedRun

        quiet()
        backend = HFBackend.from_pretrained(str(ROOT / "assets" / "model"))
        for line in sys.stdin:
            prompt, width, most = CASES[line.strip()]
            engine = LookaheadEngine(backend, LookaheadConfig(decoding_length=width))
            run = RecordedRun(engine, backend.encode(prompt), model_info(backend), max_new_tokens=most)
            with everything_stays():
                generate._generate(run, backend, Namespace(json=True, max_new_tokens=most), ())
            record = run.record()
            print(1000 * record.seconds / len(record.steps), flush=True)


class App:
    """A running ``python app.py``."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, "app.py", "--port", str(port)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"},
        )
        for _ in range(600):
            try:
                self.config = json.load(urllib.request.urlopen(self.url + "/config"))
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the app did not start")

    def run(self, name: str) -> float:
        """Milliseconds per pass of one run of the Run button, all that the page would get read and thrown away."""
        prompt, width, most = CASES[name]
        session = secrets.token_hex(6)
        event = self._run_event()
        parts = {part["id"]: part["props"] for part in self.config["components"]}
        texts = {"max-new-tokens": most, "decoding-length": width, "keep-trie": False, "document": "", "prompt": prompt}
        asked = [parts[one] for one in event["inputs"]]
        inputs = [texts.get(props.get("elem_id"), props.get("value")) for props in asked]
        body = {"data": inputs, "fn_index": event["id"], "session_hash": session}
        _post(f"{self.url}/gradio_api/queue/join", body)
        with urllib.request.urlopen(f"{self.url}/gradio_api/queue/data?session_hash={session}") as events:
            first = next(line for line in events if b'"process_generating"' in line)
            run = json.loads(json.loads(first.removeprefix(b"data: "))["output"]["data"][0])["scene"][0]
            with urllib.request.urlopen(f"{self.url}/gradio_api/lookahead/steps?run={run}") as steps:
                *_, last = (line for line in steps if line.startswith(b"data: "))
            next(line for line in events if b'"process_completed"' in line)
        numbers = json.loads(last.removeprefix(b"data: "))["end"]
        passes = 1 + (numbers["tokens"] - 1) / numbers["mean_accepted_tokens"]
        return 1000 * numbers["seconds"] / passes

    def _run_event(self) -> dict[str, Any]:
        """What Gradio does when Run has been pressed."""
        ids = {part["props"].get("elem_id"): part["id"] for part in self.config["components"]}
        events = self.config["dependencies"]
        click = next(
            event for event in events if [ids["run"], "click"] in [list(target) for target in event["targets"]]
        )
        return next(event for event in events if event.get("trigger_after") == click["id"])


def _post(url: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request).read()


class Browser:
    """The page in Chromium."""

    def __init__(self, playwright: Any, url: str) -> None:
        sys.path.insert(0, str(ROOT))
        from conftest import _launch  # type: ignore[import-not-found]

        self.browser = _launch(playwright)
        self.url = url
        self.page: Any = None

    def open(self, name: str) -> None:
        """The page, ready to run the case."""
        prompt, width, most = CASES[name]
        self.page = self.browser.new_page(viewport={"width": 1280, "height": 800})
        self.page.goto(f"{self.url}/?keep_trie=0&decoding_length={width}&max_new_tokens={most}")
        self.page.wait_for_selector("#numbers [data-metric]")
        self.page.wait_for_timeout(1500)
        self.page.fill("#document textarea", "")
        self.page.fill("#prompt textarea", prompt)
        self.page.evaluate(
            """() => {
              const stage = document.querySelector('#stage [data-state]');
              window.draws = [];
              new MutationObserver(() => window.draws.push([performance.now(), +stage.dataset.steps]))
                .observe(stage, { attributes: true, attributeFilter: ['data-steps'] });
            }"""
        )

    def run(self) -> tuple[float, float]:
        """Milliseconds per pass, and page updates per second."""
        page = self.page
        page.evaluate("window.draws.length = 0")
        page.click("#run")
        page.wait_for_function("window.draws.length > 1", polling=100)
        ended = "document.querySelector('#stage [data-state]').dataset.state === 'finished'"
        page.wait_for_function(ended, polling=100)  # not in every frame, which would be work for the browser
        draws = page.evaluate("window.draws.filter((draw) => draw[1] > 0)")
        numbers = page.evaluate(
            "['tokens_per_second', 'decode_steps', 'mean_accepted_tokens'].map((name) =>"
            " +document.querySelector('#numbers [data-metric=' + name + ']').dataset.value)"
        )
        tokens = page.locator("#ribbon .group [data-place]").count()
        page.wait_for_selector("#run:enabled")
        page.wait_for_timeout(500)  # nothing of this run is left for the next turn
        return 1000 * tokens / numbers[0] / numbers[1], 1000 * (len(draws) - 1) / (draws[-1][0] - draws[0][0])

    def first_content(self, repeats: int = 5) -> list[tuple[float, float]]:
        """Milliseconds from navigation until the recorded run's sentence is there, and until anything at all is.

        The cache is empty each time.
        """
        found = []
        for _ in range(repeats):
            context = self.browser.new_context(viewport={"width": 1280, "height": 800})
            page = context.new_page()
            page.add_init_script(
                """
                const look = () => {
                  const there = document.querySelector('#sentence')?.textContent.startsWith('The');
                  if (there) window.saidAt = performance.now(); else requestAnimationFrame(look);
                };
                requestAnimationFrame(look);
                """
            )
            page.goto(self.url)
            page.wait_for_function("window.saidAt && performance.getEntriesByName('first-contentful-paint').length")
            painted = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            found.append(tuple(page.evaluate(f"[window.saidAt, {painted}]")))
            context.close()
        return found

    def scrub(self) -> tuple[list[float], int]:
        """Milliseconds of each frame while the scrubber is drawn over every step, and tasks above 50 ms."""
        return tuple(
            self.page.evaluate(
                """async () => {
                  const slider = document.querySelector('#scrubber');
                  const long = [];
                  const watch = new PerformanceObserver((list) => long.push(...list.getEntries()));
                  watch.observe({ entryTypes: ['longtask'] });
                  const frame = () => new Promise(requestAnimationFrame);
                  const times = [];
                  for (let step = 0; step <= +slider.max; step++) {
                    const from = performance.now();
                    slider.value = step;
                    slider.dispatchEvent(new Event('input', { bubbles: true }));
                    await frame(); await new Promise((done) => setTimeout(done));
                    times.push(performance.now() - from);
                  }
                  watch.disconnect();
                  return [times, long.length];
                }"""
            )
        )


if __name__ == "__main__":
    CommandLine.serve()
