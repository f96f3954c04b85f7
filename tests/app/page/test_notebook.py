"""``lookahead.lab``: the page on a model in memory, beside a running event loop, as in a notebook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lookahead

ROOT = Path(__file__).resolve().parents[3]

NOTEBOOK = """
import asyncio, json, urllib.request
from http.cookiejar import CookieJar
import lookahead
from lookahead.hf.loading import load
import torch

async def cell():
    loaded = load(MODEL, torch.device("cpu"), "auto")
    lab = lookahead.lab(loaded.model, loaded.tokenizer, ["Say one.", {"prompt": "Say two.", "category": "two"}],
                        max_new_tokens=6, plain=False)
    assert lab.url in lab._repr_html_().replace("&amp;", "&")
    table = await asyncio.to_thread(lambda: lab.wait(100).table())
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    stranger = urllib.request.build_opener()
    page = await asyncio.to_thread(browser.open, lab.url)
    study = page.url.partition("study=")[2]
    address = lab.url.partition("/lab/")[0] + "/lab/studies/" + study + ".csv"
    csv = (await asyncio.to_thread(browser.open, address)).read().decode()
    try:
        stranger.open(address)
    except urllib.error.HTTPError as error:
        refused = error.code
    lab.close()
    print(json.dumps([list(table.category), int(table.tokens.min()), len(csv.splitlines()), page.status, refused]))

asyncio.run(cell())
"""


def test_a_notebook_studies_its_model_and_goes_on_meanwhile(tmp_path: Path) -> None:
    """A script without a main guard, from another folder than the checkout."""
    script = NOTEBOOK.replace("MODEL", repr(str(ROOT / "assets" / "model")))
    (tmp_path / "cell.py").write_text(script)
    path = f"import sys; sys.path.insert(0, {str(ROOT)!r}); exec(open('cell.py').read())"
    done = subprocess.run([sys.executable, "-c", path], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == '[["", "two"], 6, 3, 200, 404]'


def test_without_the_app_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "app.page.notebook", None)
    with pytest.raises(ImportError, match=r"lookahead\.lab needs the app") as caught:
        lookahead.lab(None, None, ["a"])
    assert "\n" not in str(caught.value)
