"""The help texts of the controls."""

from __future__ import annotations

import pytest

from app.model.host import ModelHost
from app.options import AppOptions
from app.page.controls import SHARED_LINE
from app.page.layout import build_demo
from app.run.store import RunStore


@pytest.mark.parametrize(("share_trie", "whose"), [(False, "of this tab"), (True, "of all visitors")])
def test_the_trie_says_whose_outputs_it_holds(
    share_trie: bool, whose: str, host: ModelHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "options", AppOptions(share_trie=share_trie))
    config = build_demo(host, RunStore()).get_config_file()
    (control,) = [component for component in config["components"] if component["props"].get("elem_id") == "keep-trie"]
    assert control["props"]["info"].startswith(f"Earlier outputs {whose} help the next run")
    shown = [component["props"] for component in config["components"]]
    said = {props["value"] for props in shown if props.get("elem_id") == "shared-line"}
    assert said == ({SHARED_LINE} if share_trie else set())
    assert "All visitors of this page share one Trie" in SHARED_LINE
    assert not config.get("connect_heartbeat")  # a connection for every open page, and a browser has six
