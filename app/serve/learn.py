"""The course at ``/learn``: its pages, its style sheet, and the questions that its pictures ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from app.model.error_line import error_line
from app.model.host import ModelHost
from app.serve.modules import PREFIX, SHARED, WEB, preloads, read, unless_known
from app.serve.page_head import picture_tags, root_of
from app.serve.question_thread import QuestionThread
from app.views import lesson_runs, typed_text
from app.views.first_sight import RUNS
from app.views.step_messages import model_line
from lookahead.costs import PassCosts
from lookahead.report.report import sources

STYLES = ("styles/shared.css", "styles/tree.css", "styles/card.css")
"""The panes' style sheets, which are written to be nested in one element."""
_CHAPTER = re.compile(r"[\w-]{1,40}", re.ASCII)
MOST_BODY = 20_000
"""Largest question in bytes."""

Answer = dict[str, Any]


class Course:
    """What the questions of the course are answered from: the model's tokenizer and T(n), and recorded runs."""

    def __init__(self, host: ModelHost, folder: Path = RUNS) -> None:
        self.host = host
        self.recordings = lesson_runs.recordings(folder)
        self.telling = lesson_runs.telling(self.recordings)
        self.recorded_costs = next((one.run.pass_costs for one in self.recordings if one.run.pass_costs), None)
        self.questions: Mapping[str, Callable[[Answer], Answer]] = {
            "trie": partial(typed_text.trie_answer, spell=self.spell),
            "suffix": partial(typed_text.suffix_answer, spell=self.spell),
            "draft": partial(typed_text.draft_answer, spell=self.spell),
            "recording": self.recording,
            "plant": self.plant,
            "costs": self.cost_curve,
            "pays": lambda question: lesson_runs.pays(self.recordings, self.known_costs(), question),
        }

    def spell(self, text: str) -> list[tuple[int, str, str]]:
        """The tokens of a text by the model's tokenizer, special ones left out, with their texts there and alone."""
        if not self.host.ready:
            raise ValueError("Another model is being loaded. Try again in a moment.")
        vocabulary = self.host.backend.vocabulary
        ids = vocabulary.shown(vocabulary.encode(text, raw=True))
        texts = self.host.texts(ids)
        return [(*token, texts.token_text(token[0])) for token in zip(ids, texts.prompt_pieces, strict=True)]

    def recording(self, _: Answer) -> Answer:
        """The recorded run of the chapters on verification, and the step to begin with."""
        if self.telling is None:
            raise ValueError("No recorded run is bundled with this page.")
        return lesson_runs.start(*self.telling)

    def plant(self, question: Answer) -> Answer:
        """That run's step with a branch of the visitor's own, or with the right one where no text is given."""
        if self.telling is None or type(question.get("step")) is not int:
            raise ValueError("step: need the index of a step")
        return lesson_runs.planted(self.telling[0].again, question["step"], question.get("text"))

    def known_costs(self) -> PassCosts:
        """T(n), measured here or by a recorded run.

        Raises:
            ValueError: If neither has it.
        """
        costs = self.host.costs or self.recorded_costs
        if costs is None:
            raise ValueError("The time of a pass has not been measured on this machine.")
        return costs

    def cost_curve(self, _: Answer) -> Answer:
        """T(n) of one to 64 tokens, whose it is, and the bytes of weights that one pass reads."""
        costs = self.known_costs()
        measured = self.host.costs is not None
        model = self.host.info if measured else self.recordings[0].run.model
        bytes_each = 4 if model.dtype == "float32" else 2
        seconds = costs.table(min(64, costs.lengths[-1]))
        return {
            "seconds": seconds,
            "measured": measured,
            "model": model_line(model),
            "bytes": model.parameters * bytes_each,
        }


def routes(course: Course, thread: QuestionThread) -> list[Route]:
    """``/learn`` and ``/learn/CHAPTER`` are pages; a POST to ``PREFIX/learn/ask/NAME`` asks a question."""
    panes, own = ("".join(map(read, names)) for names in (STYLES, ("styles/pages.css", "styles/learn.css")))
    styles = ".pane-styles {\n" + panes + "}\n" + own
    links = preloads(_modules(), "%ROOT%")
    drafted_from = escape(orjson.dumps(sources()).decode())
    shell = read("learn/page.html").replace("%MODULES%", links).replace("%SOURCES%", drafted_from)

    async def page(request: Request) -> Response:
        chapter = request.path_params.get("chapter")
        if chapter and not _CHAPTER.fullmatch(chapter):
            return Response(status_code=404)
        picture = picture_tags(root_of(request, f"/learn/{chapter}" if chapter else "/learn"), "learn")
        text = shell.replace("%ROOT%", ".." if chapter else ".").replace("%PICTURE%", picture)
        return HTMLResponse(text, headers={"Cache-Control": "no-cache"})

    async def style_sheet(request: Request) -> Response:
        return unless_known(request, styles.encode(), "text/css")

    async def ask(request: Request) -> Response:
        question = course.questions.get(request.path_params["name"])
        if question is None:
            return Response(status_code=404)
        body = await request.body()
        try:
            data = await thread.ask(lambda: orjson.dumps(question(_asked(body))))
        except (ValueError, TypeError) as error:  # it is wrong, too many wait, or the answer has half a character
            data = orjson.dumps({"error": error_line(error)})
        return Response(data, media_type="application/json")

    return [
        Route("/learn", page),
        Route("/learn/{chapter}", page),
        Route(f"{PREFIX}/learn.css", style_sheet),
        Route(f"{PREFIX}/learn/ask/{{name}}", ask, methods=["POST"]),
    ]


def _modules() -> list[str]:
    """The modules that every chapter uses, so that the browser loads them at once."""
    paths = [*WEB.glob("learn/*.js"), *WEB.glob("lib/*.js")]
    names = sorted(f"web/{path.relative_to(WEB).as_posix()}" for path in paths)
    return [*SHARED, *(name for name in names if name not in ("web/learn/theme.js", "web/learn/card.js"))]


def _asked(body: bytes) -> Answer:
    """The question in a body."""
    if len(body) > MOST_BODY:
        raise ValueError("the question is too long")
    question = orjson.loads(body)
    if not isinstance(question, dict):
        raise ValueError("a question is one JSON object")
    return question
