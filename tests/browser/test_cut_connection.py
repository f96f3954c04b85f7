"""A connection that is cut: the page comes back by itself, and the finished run with it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.passes import Passes
from tests.browser.visitors import PATIENCE, filled, slow_down

pytestmark = pytest.mark.browser


class Wire:
    """What connects the browser and the app, and can be cut.

    Attributes:
        url: The app's address through it.
    """

    def __init__(self, url: str) -> None:
        self._far = urlsplit(url).port
        self._ends: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._far))
                self._ends += [near, far]
                for ends in ((near, far), (far, near)):
                    Thread(target=self._carry, args=ends, daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """End all connections; new ones can be made."""
        while self._ends:
            with suppress(OSError):
                self._ends.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()
        self.cut()


@pytest.fixture
def wire(app_url: str) -> Iterator[Wire]:
    """A wire to the app."""
    found = Wire(app_url)
    yield found
    found.close()


@pytest.fixture
def page(browser: Browser, wire: Wire) -> Iterator[Page]:
    """The page through it; not by open_page, since the browser logs a cut connection as an error."""
    wrong: list[str] = []
    context = browser.new_context()
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    slow_down(page)
    page.set_default_timeout(PATIENCE)
    page.goto(f"{wire.url}/?max_new_tokens=400&decoding_length=1")
    filled(page)
    yield page
    context.close()
    # What Gradio's page itself says where it loads a part of itself through the cut connection.
    assert not [text for text in wrong if not text.startswith("Failed to fetch dynamically imported module")]


def _run(page: Page) -> None:
    page.fill("#document textarea", "")
    page.fill("#prompt textarea", "abc abc abc")  # not what the page begins with: its answer is short
    page.wait_for_selector("#run:enabled")
    page.click("#run")
    _state(page, "running")


def _state(page: Page, state: str) -> None:
    page.wait_for_function(f"document.querySelector('#stage [data-state]').dataset.state === '{state}'")


def _restored(page: Page, run: str | None) -> int:
    """How many steps of the run the page has after its reload."""
    expect(page.locator("[data-about]")).to_contain_text("restored after a reload")
    _state(page, "finished")
    assert page.get_attribute("#stage [data-run]", "data-run") == run
    page.wait_for_selector("#run:enabled")
    return int(page.get_attribute("#stage [data-steps]", "data-steps") or 0)


def test_a_run_that_ends_while_the_page_is_offline_is_there_afterwards(page: Page, passes: Passes) -> None:
    passes.hold(20)
    _run(page)
    page.context.set_offline(True)  # what is connected stays so, what is asked now gets no answer
    passes.go_on()
    _state(page, "finished")
    run = page.get_attribute("#stage [data-run]", "data-run")
    expect(page.get_by_text("Connection to the server was lost")).to_be_visible()
    page.context.set_offline(False)
    assert _restored(page, run) == 400


def test_a_run_that_is_cut_in_its_middle_is_there_as_far_as_it_came(page: Page, wire: Wire, passes: Passes) -> None:
    passes.hold(20)
    _run(page)
    page.wait_for_function("+document.querySelector('#stage [data-steps]').dataset.steps >= 10")
    run = page.get_attribute("#stage [data-run]", "data-run")
    with page.expect_navigation():  # by itself
        wire.cut()
    passes.go_on()
    assert 10 <= _restored(page, run) < 400
    expect(page.locator("[data-about]")).to_contain_text("stopped before its end")
    passes.hold(20)
    _run(page)
    passes.go_on()
    _state(page, "finished")
    assert page.get_attribute("#stage [data-steps]", "data-steps") == "400"
