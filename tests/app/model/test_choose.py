"""Another model in the place of the present one: what follows it, and what stays where it cannot be loaded."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.model.host import HostError, ModelHost
from app.options import AppOptions
from app.page.events import COMPARE, Handlers
from app.page.model_picker import chip, choosing
from app.run.settings import offered_here
from app.run.store import RunStore
from app.serve.endpoints import _models
from app.serve.learn import Course
from tests.app.making import controls_of, finished, played, record_of


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a model and is none."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "config.json").write_text('{"model_type": "llama", "hidden_size": "wide"}')
    return folder


@pytest.fixture(scope="module")
def host(tiny_model: Path, switching_model: Path, broken: Path) -> Iterator[ModelHost]:
    found = ModelHost.load(AppOptions(model=(str(tiny_model), str(switching_model), str(broken)), max_new_tokens=50))
    yield found
    found.close()


def _chosen(host: ModelHost, name: str) -> list[str]:
    return list(choosing(host, name))


def test_everything_follows_the_model(host: ModelHost, tiny_model: Path, switching_model: Path) -> None:
    first = weakref.ref(host.backend.model)
    assert host.name == str(tiny_model)
    assert host.offered == (str(tiny_model), str(switching_model), host.offered[2], "embedded")
    said = _chosen(host, str(switching_model))
    assert any("Loading" in line for line in said)
    gc.collect()
    assert first() is None  # one in memory at a time
    assert host.info.name in chip(host)
    assert host.info.name == host.name.rsplit("/", 1)[-1]
    assert record_of(finished(host, max_new_tokens=4)).model == host.info
    _chosen(host, str(tiny_model))
    assert host.name == str(tiny_model)


def test_a_model_that_cannot_be_loaded_is_one_line_and_the_old_one_stays(host: ModelHost, broken: Path) -> None:
    before = host.name
    with pytest.raises(HostError) as error:
        _chosen(host, str(broken))
    assert str(broken) in str(error.value)
    assert "\n" not in str(error.value)
    assert host.name == before
    assert record_of(finished(host, max_new_tokens=4)).token_ids
    with pytest.raises(HostError, match="no such model"):
        _chosen(host, "somewhere/else")


def test_a_prompt_waits_for_the_model(host: ModelHost, switching_model: Path, tiny_model: Path) -> None:
    reached, go = threading.Event(), threading.Event()

    def tell(_: str) -> None:
        reached.set()
        go.wait(20)

    loading = host.thread.start(lambda: host.choose(str(switching_model), tell), threading.Event())
    assert reached.wait(20)
    found: list[tuple[int, ...]] = []
    asker = threading.Thread(target=lambda: found.append(host.encode("abc")))
    asker.start()
    asker.join(0.05)
    assert not found
    assert offered_here(host, "page"), "a page that is opened meanwhile"
    with pytest.raises(ValueError, match="is being loaded"):
        Course(host).spell("abc")
    go.set()
    loading.result(60)
    asker.join(20)
    assert found
    _chosen(host, str(tiny_model))


def test_outputs_of_one_model_do_not_reach_another(host: ModelHost, tiny_model: Path, switching_model: Path) -> None:
    handlers = Handlers(host, RunStore())
    values = controls_of(handlers, max_new_tokens=8)

    def earlier() -> int:
        outputs = played(handlers, COMPARE[:1], "tab", values)
        run = handlers.store.get(outputs[-1][2])
        assert run is not None
        return len(run.earlier)

    assert [earlier(), earlier()] == [0, 1]
    _chosen(host, str(switching_model))
    assert earlier() == 0
    _chosen(host, str(tiny_model))
    assert earlier() == 2


def test_models_lists_what_is_loaded_and_what_is_offered(host: ModelHost) -> None:
    first, *others = _models(host)()
    assert first["name"] == host.info.name
    assert (first["loaded"], first["context_limit"]) == (True, host.context_limit)
    assert first["exactness"] == host.info.exactness is not None
    assert [other["name"] for other in others] == list(host.offered[1:])
    assert not any(other["loaded"] for other in others)


def test_the_chip_says_how_exactly_drafts_are_verified(host: ModelHost) -> None:
    assert host.info.exactness in ("bitwise", "within rounding")
    assert host.info.exactness in chip(host).replace("bit-exact", "bitwise")
    assert "<b>" not in chip(host)
