"""The flags of app.py, their environment variables, and the messages about bad ones."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from app.main import main
from app.options import AppOptions, parse

FLAGS = {
    "model": "some/model",
    "device": "cpu",
    "dtype": "bfloat16",
    "trie": "some.trie",
    "host": "127.0.0.1",
    "port": "7999",
    "allow-host": "my.site",
    "share-trie": "1",
    "max-new-tokens": "9",
    "max-prompt-tokens": "99",
    "max-waiting": "3",
    "max-studies": "2",
    "max-study-prompts": "40",
    "max-study-bytes": "5000",
    "max-study-seconds": "60",
}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("LOOKAHEAD_", "GRADIO_SERVER")):
            monkeypatch.delenv(name)


def _one_line(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as end:
        parse(arguments)
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert message.startswith("app.py: ")
    return message


def test_every_option_is_a_flag_that_help_explains(capsys: pytest.CaptureFixture[str]) -> None:
    assert {name.replace("-", "_") for name in FLAGS} == set(AppOptions.__dataclass_fields__)
    with pytest.raises(SystemExit) as end:
        parse(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(f"--{name}" in text for name in FLAGS)


@pytest.mark.parametrize("name", FLAGS)
def test_a_flag_and_its_variable_mean_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    by_flag = parse([f"--{name}"] if name == "share-trie" else [f"--{name}", FLAGS[name]])
    monkeypatch.setenv(f"LOOKAHEAD_{name.upper().replace('-', '_')}", FLAGS[name])
    assert parse([]) == by_flag != AppOptions()


def test_a_flag_overrides_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKAHEAD_MAX_WAITING", "7")
    assert parse(["--max-waiting", "8"]).max_waiting == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "99999"], "'--port': 99999 is not in the range 1<=x<=65535"),
        (["--port", "x"], "'x' is not a valid whole number"),
        (["--max-new-tokens", "0"], "0 is not in the range 1<=x<=1000000"),
        (["--max-waiting", "-3"], "-3 is not in"),
        (["--dtype", "float7"], "'float7' is not one of 'auto'"),
        (["--unknown"], "No such option '--unknown'"),
        (["--host", "no such host"], "cannot listen on no such host"),
    ],
)
def test_a_bad_flag_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    assert words in _one_line(capsys, *arguments)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("LOOKAHEAD_PORT", "no port"),
        ("LOOKAHEAD_DTYPE", "float7"),
        ("LOOKAHEAD_MAX_PROMPT_TOKENS", "1.5"),
        ("LOOKAHEAD_SHARE_TRIE", "perhaps"),
        ("GRADIO_SERVER_PORT", "no port"),
    ],
)
def test_a_bad_variable_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    message = _one_line(capsys)
    assert variable in message
    assert text in message


def test_a_port_in_use_is_reported_before_the_model_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot listen on" in _one_line(capsys, "--port", str(taken.getsockname()[1]))


@pytest.mark.parametrize("arguments", [["--model", "/no/such/folder"], ["--device", "tpu"]])
def test_a_model_that_cannot_be_loaded_is_one_line(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    switch = sys.getswitchinterval()
    try:
        with pytest.raises(SystemExit) as end:
            main()
    finally:
        sys.setswitchinterval(switch)
    assert end.value.code == 2
    first, second = capfd.readouterr().err.splitlines()
    assert first == "Loading the model ..."
    assert second.startswith("app.py: ")


def test_hosts_add_up_from_the_flag_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse(["--allow-host", "a.example", "--allow-host", "*.b.example"]).allow_host == (
        "a.example",
        "*.b.example",
    )
    for several in ("a.example b.example", "a.example,b.example"):
        monkeypatch.setenv("LOOKAHEAD_ALLOW_HOST", several)
        assert parse([]).allow_host == ("a.example", "b.example")


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("https://My.Example:8443/app", "my.example"),
        ("my.example:8080", "my.example"),
        ("*.my.example", "*.my.example"),
        ("[::1]", "::1"),
        ("192.168.0.7", "192.168.0.7"),
        ("bücher.example", "bücher.example"),
    ],
)
def test_a_host_may_be_given_as_its_address(given: str, name: str) -> None:
    assert parse(["--allow-host", given]).allow_host == (name,)


@pytest.mark.parametrize("given", ["", " ", "https://", "a b", "a@b", "\x1b[31m"])
def test_what_is_not_a_host_is_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--allow-host", given])
    assert ended.value.code == 2
    assert "is not a host; need a name" in capsys.readouterr().err


def test_studies_are_smaller_on_a_space_unless_the_operator_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse([]).max_study_prompts == AppOptions().max_study_prompts == 1000
    monkeypatch.setenv("SPACE_ID", "a/b")
    assert parse([]).max_study_prompts == 50
    assert parse(["--max-study-prompts", "7"]).max_study_prompts == 7
    monkeypatch.setenv("LOOKAHEAD_MAX_STUDY_BYTES", "1000")
    assert parse([]).max_study_bytes == 1000
