"""The HTML report of a study: one file without any other, which asks nothing of a network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from pathlib import Path
from typing import Any

import msgspec

from lookahead.config import LookaheadConfig
from lookahead.setting import settings_of
from lookahead.sources.registry import SOURCES
from lookahead.study.decisions import DECISIONS
from lookahead.study.result import Study
from lookahead.study.study import OFF

FOLDER = Path(__file__).resolve().parent
FIRST = "report"
"""The module that the report runs; the others are what it imports."""

_IMPORT = re.compile(r"^import \{ (.+) \} from '\./(\w+)\.js';$", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const) (\w+))", re.MULTILINE)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-%(script_hash)s'; \
style-src 'sha256-%(style_hash)s'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%(title)s</title>
<style>%(style)s</style>
</head>
<body class="report">
<header class="title"><b>Lookahead</b><span>%(title)s</span></header>
<noscript>This report draws its pictures with JavaScript.</noscript>
<script type="application/json" id="study">%(data)s</script>
<script>%(script)s</script>
</body>
</html>
"""


def to_html(study: Study) -> str:
    """The text of an HTML file with the study and its pictures, the same as on the page ``/lab``.

    Texts of prompts are data in it and are shown as text; a content security policy forbids every other script, every
    other style sheet and every request.
    """
    style, script = (FOLDER / "study.css").read_text(encoding="utf-8"), bundle()
    parts = {
        "title": escape(_printable(f"{study.title} · a study of drafts")),
        "style": style,
        "style_hash": _hash(style),
        "script": script,
        "script_hash": _hash(script),
        "data": inert_json({"study": msgspec.to_builtins(study), "facts": facts()}),
    }
    return _PAGE % parts


def bundle() -> str:
    """The report's modules in one script: each in a function of its own, what it imports before it."""
    done: dict[str, str] = {}

    def add(name: str) -> None:
        if name in done:
            return
        text = (FOLDER / f"{name}.js").read_text(encoding="utf-8")
        for _, needed in _IMPORT.findall(text):
            add(needed)
        exports = ", ".join(_EXPORT.findall(text))
        body = _EXPORT.sub("", _IMPORT.sub(r"const { \1 } = m_\2;", text))
        done[name] = f"const m_{name} = (() => {{\n{body}\nreturn {{ {exports} }};\n}})();\n"

    add(FIRST)
    return '"use strict";\n' + "".join(done.values())


def sources() -> list[dict[str, str]]:
    """The sources of draft tokens as the pictures need them: name, symbols, colours, texts."""
    shown = ("name", "symbol", "light", "dark", "help", "earlier", "chance")
    return [{name: getattr(info, name) for name in shown} for info in SOURCES.values()]


def facts() -> dict[str, Any]:
    """What the pictures need of the library: sources, flags and defaults of settings, reasons of a verdict, ``OFF``."""
    settings = settings_of(LookaheadConfig).values()
    return {
        "sources": sources(),
        "settings": {one.name: {"flag": one.flag, "default": one.plain(one.default)} for one in settings},
        "reasons": {branch.reason: {"when": branch.when, "then": branch.then} for branch in DECISIONS},
        "off": OFF,
    }


def inert_json(value: Any) -> str:
    """A value as JSON that means nothing to HTML: ASCII only, and without ``<``, ``>`` and ``&``.

    >>> print(inert_json("</script>"))
    "\\u003c/script\\u003e"
    """
    text = json.dumps(_finite(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _finite(value: Any) -> Any:
    """The value with null for numbers that JSON does not know, as msgspec writes them."""
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {str(name): _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value


def _printable(text: str) -> str:
    """The text with ``?`` for control characters, marks that reorder it, and halves of characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
