"""``lookahead.lab``: the page on a model in memory, beside a running event loop, as in a notebook."""

from __future__ import annotations

import asyncio
import multiprocessing.process
import sys
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

import lookahead
from tests.app.making import in_loop


async def cell(model: Path) -> list[object]:
    """What a cell of a notebook would do and see."""
    import torch

    from lookahead.hf.loading import load

    loaded = load(str(model), torch.device("cpu"), "auto")
    prompts = ["Say one.", {"prompt": "Say two.", "category": "two"}]
    lab = lookahead.lab(loaded.model, loaded.tokenizer, prompts, max_new_tokens=6, plain=False)
    try:
        assert lab.url in lab._repr_html_().replace("&amp;", "&")
        table = await asyncio.to_thread(lambda: lab.wait(100).table())
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        page = await asyncio.to_thread(browser.open, lab.url)
        study = page.url.partition("study=")[2]
        address = lab.url.partition("/lab/")[0] + "/lab/studies/" + study + ".csv"
        csv = (await asyncio.to_thread(browser.open, address)).read().decode()
        with pytest.raises(urllib.error.HTTPError) as stranger:
            await asyncio.to_thread(urllib.request.urlopen, address)
    finally:
        lab.close()
    return [list(table.category), int(table.tokens.min()), len(csv.splitlines()), page.status, stranger.value.code]


def test_a_notebook_studies_its_model_and_goes_on_meanwhile(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another folder than the checkout, and without a process that reads the notebook: it has no main guard."""

    def started(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", started)
    monkeypatch.chdir(tmp_path)
    assert in_loop(cell(tiny_model)) == [["", "two"], 6, 3, 200, 404]


def test_without_the_app_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "app.page.notebook", None)
    with pytest.raises(ImportError, match=r"lookahead\.lab needs the app") as caught:
        lookahead.lab(None, None, ["a"])
    assert "\n" not in str(caught.value)
