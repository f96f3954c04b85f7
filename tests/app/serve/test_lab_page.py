"""The page of the Lab: its parts exist, its example is a study that the library reads."""

from __future__ import annotations

import html
import json
import re

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.model.host import ModelHost
from app.run.settings import offered_here
from app.serve import lab_page, modules
from app.serve.modules import PREFIX
from app.views.first_sight import RUNS
from lookahead.study.result import Study


@pytest.fixture(scope="module")
def client(host: ModelHost) -> TestClient:
    return TestClient(Starlette(routes=[*modules.routes(), *lab_page.routes(host)]))


def test_every_file_that_the_page_names_is_served(client: TestClient) -> None:
    page = client.get("/lab")
    assert page.headers["content-type"].startswith("text/html")
    assert "<script>" not in page.text, "no inline script"
    names = re.findall(rf'\.({PREFIX}/[\w/.-]+)"', page.text)
    assert f"{PREFIX}/report/table.js" in names
    assert all(client.get(name).status_code == 200 for name in names)
    missing = client.get(f"{PREFIX}/report/report.py")
    assert missing.status_code == 404


def test_modules_find_each_other_by_the_paths_of_their_files(client: TestClient) -> None:
    asked, waiting = set(), [f"{PREFIX}/web/lab/lab.js"]
    while waiting:
        address = waiting.pop()
        asked.add(address)
        text = client.get(address).raise_for_status().text
        found = re.findall(r"^import .* from '(\..*)';$", text, re.MULTILINE)
        waiting += {str(client.base_url.join(address).join(path).path) for path in found} - asked
    assert f"{PREFIX}/report/dom.js" in asked
    assert f"{PREFIX}/web/lib/knobs.js" in asked


def test_controls_are_made_from_the_settings(client: TestClient, host: ModelHost) -> None:
    attribute = re.search(r'data-facts="(.*?)"', client.get("/lab").text)
    assert attribute
    facts = json.loads(html.unescape(attribute[1]))
    assert [one["name"] for one in facts["knobs"]] == list(offered_here(host, "what-if"))
    assert facts["limit"]["high"] == host.options.max_new_tokens
    assert all(json.loads(line)["prompt"] for line in facts["samples"].splitlines())


def test_the_example_is_the_bundled_runs_and_is_sent_once(client: TestClient) -> None:
    address = f"{PREFIX}/lab/example.json"
    example = client.get(address)
    assert len(example.content) < 150_000
    study = msgspec.json.decode(example.content, type=Study)
    assert {row.name.removesuffix(".json") for row in study.rows} == {path.stem for path in RUNS.glob("*.json")}
    assert len({row.category for row in study.rows}) == len(study.rows)
    assert study.verdict.text
    assert study.machines[0].break_even
    assert study.advice
    assert study.variants
    again = client.get(address, headers={"if-none-match": example.headers["etag"]})
    assert again.status_code == 304
