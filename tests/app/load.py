"""What 200 waiting questions do to the page and to a run; prints one line of JSON.

    python tests/app/load.py [--root FOLDER] [--waiting 200] [--runs 5] [--tokens 200] [--limit 100]

Starts ``app.py`` of a folder (this checkout, or an older one to compare with) on a free port, makes a run of that many
tokens and opens its file. Then it measures, once with no questions and once while that many what-ifs at the largest
width are outstanding (each is asked again when it is answered; after a refusal, a second later):

- ``page_seconds``: ``GET /``, asked four times a second; median and worst
- ``run_seconds``: ``/generate``, from the request to its last message; median and worst
  (``limit`` seconds if it was not over by then)
- ``answers`` and ``refusals``: of the questions

``slower`` is the ratio of the two median run times. The client takes part of the same processor, so the figures are
upper bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
PROMPT = "Tell a story that begins: In a little house on a high mountain lived a girl named Alice."
WIDTH = 128


class Page:
    """A running app.

    Args:
        client: A client with the app's address.
        tokens: New tokens of a run.
        limit: Most seconds to wait for one.
    """

    def __init__(self, client: httpx.AsyncClient, tokens: int, limit: float) -> None:
        self.client = client
        self.tokens = tokens
        self.limit = limit
        self.component = 0
        self.answers = self.refusals = 0

    async def begin(self) -> None:
        """Wait for the app, and find its stage."""
        for _ in range(1500):
            with contextlib.suppress(httpx.TransportError):
                config = (await self.client.get("/config")).json()
                parts = config["components"]
                self.component = next(part["id"] for part in parts if part["props"].get("elem_id") == "stage")
                return
            await asyncio.sleep(0.2)
        raise SystemExit("the app did not start")

    async def ask(self, name: str, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question of the page."""
        body = {"session_hash": "load", "component_id": self.component, "fn_name": name, "data": question}
        return (await self.client.post("/gradio_api/component_server", json=body)).json()

    async def generate(self) -> tuple[float, dict[str, Any]]:
        """A run of ``/generate`` without drafts: its time in seconds, and its last message."""
        begun = time.perf_counter()
        body = {"prompt": PROMPT, "max_new_tokens": self.tokens, "decoding_length": 1}
        answer = await self.client.post("/gradio_api/call/v2/generate", json=body)
        event = answer.json()["event_id"]
        last = ""
        async with self.client.stream("GET", f"/gradio_api/call/generate/{event}") as stream:
            async for line in stream.aiter_lines():
                if line.startswith("data: ["):
                    last = line
        return time.perf_counter() - begun, json.loads(json.loads(last[6:])[0])

    async def measure(self, runs: int) -> dict[str, Any]:
        """The times of the page and of that many runs."""
        pages: list[float] = []

        async def look() -> None:
            while True:
                begun = time.perf_counter()
                try:
                    await self.client.get("/")
                finally:  # one that is still unanswered counts, too
                    pages.append(time.perf_counter() - begun)
                await asyncio.sleep(0.25)

        looking, times = asyncio.create_task(look()), list[float]()
        for _ in range(runs):
            begun = time.perf_counter()
            with contextlib.suppress(TimeoutError, httpx.HTTPError):
                await asyncio.wait_for(self.generate(), self.limit)
            times.append(time.perf_counter() - begun)
        looking.cancel()
        await asyncio.wait([looking])
        return {"page_seconds": _two(pages), "run_seconds": _two(times)}

    async def keep_asking(self, run: str, number: int) -> None:
        """One outstanding question at any time."""
        while True:
            config = {"decoding_length": WIDTH, "budget": "fixed", "branch_length": number % 50 + 2}
            answer = await self.ask("what_if", {"run": run, "config": config})
            self.answers += "error" not in answer
            self.refusals += "error" in answer
            await asyncio.sleep("error" in answer)


def _two(times: list[float]) -> dict[str, float]:
    return {"median": round(median(times), 3), "worst": round(max(times), 3)}


async def measured(url: str, waiting: int, runs: int, tokens: int, limit: float) -> dict[str, Any]:
    """The measurements of the app at this address."""
    limits = httpx.Limits(max_connections=waiting + 20)
    async with httpx.AsyncClient(base_url=url, timeout=1000, limits=limits) as client:
        page = Page(client, tokens, limit)
        await page.begin()
        _, last = await page.generate()
        opened = await page.ask("open_run", {"text": last["run_file"]})
        run = opened["messages"][0]["run"]
        quiet = await page.measure(runs)
        asking = [asyncio.create_task(page.keep_asking(run, number)) for number in range(waiting)]
        await asyncio.sleep(1)
        loaded = await page.measure(runs)
        for task in asking:
            task.cancel()
    slower = loaded["run_seconds"]["median"] / quiet["run_seconds"]["median"]
    counts = {"answers": page.answers, "refusals": page.refusals}
    return {"waiting": waiting, "quiet": quiet, "loaded": loaded | counts, "slower": round(slower, 2)}


def main() -> None:
    """Start the app, measure it, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--waiting", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--limit", type=float, default=100)
    options = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    app = subprocess.Popen(
        command, cwd=options.root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address, asked = f"http://127.0.0.1:{port}", (options.waiting, options.runs, options.tokens, options.limit)
    try:
        print(json.dumps(asyncio.run(measured(address, *asked))))
    finally:
        app.terminate()
        app.wait(30)


if __name__ == "__main__":
    main()
