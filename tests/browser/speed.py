"""How fast the app generates against the command line, and how fast the page draws: ``python tests/browser/speed.py``.

The command line's loop, the app read by a script and the app watched in Chromium take turns on the same prompts;
medians of the milliseconds per forward pass. All of them share this machine, the browser too, so its rows say how much
of the processor the drawing takes. Then: first content after navigation, page updates per second, a scrub through 500
steps. Turns during which other programs had more than 4 % of the processors are left out (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speed_sides import CASES, SCRUBBED, App, Browser, CommandLine


def main() -> None:
    """Print one line of JSON a result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7, help="turns that count (default: 7)")
    parser.add_argument("--no-browser", action="store_true", help="leave out what needs Chromium")
    args = parser.parse_args()
    command_line, app = CommandLine(), App()
    try:
        for name in (name for name in CASES if name != SCRUBBED):
            take_turns(name, args.repeat, command_line, lambda name=name: (app.run(name), None), "app_ms")
        if not args.no_browser:
            watched(args.repeat, command_line, app)
    finally:
        app.process.terminate()
        command_line.process.terminate()


def watched(repeat: int, command_line: CommandLine, app: App) -> None:
    """What only a browser shows."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = Browser(playwright, app.url)
        said, painted = zip(*browser.first_content(), strict=True)
        show("first content, ms", times=list(map(round, said)), first_paint=list(map(round, painted)))
        for name in (name for name in CASES if name != SCRUBBED):
            browser.open(name)
            take_turns(name, repeat, command_line, browser.run, "app_watched_ms")
            browser.page.close()
        browser.open(SCRUBBED)
        browser.run()
        browser.page.wait_for_timeout(500)  # nothing of the run is left to draw
        times, long_tasks = browser.scrub()
        cuts = [round(cut, 1) for cut in statistics.quantiles(times, n=100)]
        worst = round(max(times), 1)
        show("scrub", steps=len(times), median_ms=cuts[49], p99_ms=cuts[98], worst_ms=worst, long_tasks=long_tasks)


def take_turns(
    name: str, repeat: int, command_line: CommandLine, ours: Callable[[], tuple[float, float | None]], column: str
) -> None:
    """Print the medians of both sides and of their ratio, and of the updates per second where somebody watched."""
    command_line.run(name)
    ours()
    turns: list[tuple[float, float]] = []
    updates: list[float] = []
    left_out = 0
    while len(turns) < repeat and left_out < 4 * repeat:
        busy, total, own = _processor_time()
        turn, (milliseconds, rate) = command_line.run(name), ours()
        busy_after, total_after, own_after = _processor_time()
        if (busy_after - busy - own_after + own) > 0.04 * (total_after - total):
            left_out += 1
            continue
        turns.append((turn, milliseconds))
        updates += [] if rate is None else [rate]
    if not turns:
        show(name, error="other programs kept the processors busy", left_out=left_out)
        return
    values = {
        "command_line_ms": statistics.median(turn for turn, _ in turns),
        column: statistics.median(milliseconds for _, milliseconds in turns),
        "median_ratio": statistics.median(milliseconds / turn for turn, milliseconds in turns),
    }
    if updates:
        values["updates_per_second"] = statistics.median(updates)
    show(name, **{key: round(value, 3) for key, value in values.items()}, turns=len(turns), left_out=left_out)


def _processor_time() -> tuple[int, int, int]:
    """Ticks of all processors, busy and in all, and those of this process and its descendants."""
    try:
        ticks = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return 0, 1, 0
    spent: dict[int, tuple[int, int]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        spent[int(file.parent.name)] = int(fields[1]), sum(map(int, fields[11:13]))
    family = {os.getpid()}
    while more := {pid for pid, (parent, _) in spent.items() if parent in family} - family:
        family |= more
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks), sum(spent[pid][1] for pid in family if pid in spent)


def show(name: str, **values: Any) -> None:
    """One result."""
    print(json.dumps({"what": name, **values}), flush=True)


if __name__ == "__main__":
    main()
