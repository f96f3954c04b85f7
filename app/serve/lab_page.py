"""The page ``/lab`` itself: its HTML, its style sheet, and the study that it shows first."""

from __future__ import annotations

from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.model.host import ModelHost
from app.run.settings import offered_here
from app.serve.modules import PREFIX, REPORT, WEB, preloads, read, unless_known
from app.views.first_sight import RUNS
from app.views.step_messages import model_line
from lookahead.report.report import facts

ASSETS = Path(__file__).resolve().parents[2] / "assets"
EXAMPLE = ASSETS / "studies" / "example.json"
"""The bundled runs as a study, each a category of its own: what ``python -m lookahead study assets/runs --peers --json
--grid "decoding_length=4,8,16,32,64 strategy=all budget=fixed,adaptive start=cold,warm"`` printed."""
STYLES = "styles/shared.css"
"""The style sheet of buttons and knobs, which is written to be nested in one element."""
SAMPLES = 2
"""Built-in prompts of each kind."""


def routes(host: ModelHost) -> list[Route]:
    """``/lab`` is the page; beside it are its style sheet and the example, sent again only if they changed."""
    own = read("styles/pages.css") + read("lab/lab.css")
    sheet = ".pane-styles {\n" + read(STYLES) + "}\n" + (REPORT / "study.css").read_text("utf-8") + own
    files = {
        "lab.css": (sheet.encode(), "text/css"),
        "lab/example.json": (EXAMPLE.read_bytes(), "application/json"),
    }
    shell = read("lab/page.html").replace("%MODULES%", preloads(_modules()))

    async def page(_: Request) -> Response:
        text = shell.replace("%FACTS%", escape(orjson.dumps(_facts(host)).decode()))
        return HTMLResponse(text, headers={"Cache-Control": "no-cache"})

    async def file(name: str, request: Request) -> Response:
        return unless_known(request, *files[name])

    return [Route("/lab", page), *(Route(f"{PREFIX}/{name}", partial(file, name)) for name in files)]


def _facts(host: ModelHost) -> dict[str, Any]:
    """What the page is made from: the settings that it offers, the sources in their colours, built-in prompts."""
    return {
        "knobs": [one.to_json() for one in offered_here(host, "what-if").values()],
        "limit": offered_here(host, "page")["max_new_tokens"].to_json(),
        **facts(),
        "corpus": "corpus" in host.sources,
        "model": model_line(host.info),
        "samples": _samples(),
        "examples": sorted(path.stem for path in RUNS.glob("*.json")),
    }


def _samples() -> str:
    """A few of the built-in prompts of each kind, as a file of them."""
    paths = sorted((ASSETS / "prompts").glob("*.jsonl"))
    lines = [
        {"prompt": orjson.loads(line)["prompt"], "category": path.stem}
        for path in paths
        for line in path.read_text("utf-8").splitlines()[:SAMPLES]
    ]
    return "".join(orjson.dumps(line).decode() + "\n" for line in lines)


def _modules() -> list[str]:
    """The modules that the page uses, so that the browser loads them at once."""
    own = [f"web/lab/{path.name}" for path in sorted(WEB.glob("lab/*.js"))]
    shared = [f"web/lib/{name}.js" for name in ("dom", "knobs", "text")]
    return [*own, *shared, *(f"report/{path.name}" for path in sorted(REPORT.glob("*.js")) if path.stem != "report")]
