"""``make-trie``, and what ``generate`` and ``bench`` draft from its file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lookahead import HFBackend, Trie, TrieFileError, load_trie, save_trie
from lookahead.cli.main import main
from lookahead.runs import runfile


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_trie_of_an_earlier_output_drafts_it_and_changes_no_token(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, path, run_path = ("--model", str(tiny_model)), tmp_path / "answers.trie", tmp_path / "run.json"
    generate = ("generate", "--prompt", "abc", *model, "--max-new-tokens", "60", "--budget", "fixed")
    cold = _json(capsys, *generate, "--run-file", str(run_path))
    trace = tmp_path / "trace.jsonl"
    prompt_ids = list(runfile.load(run_path).prompt_ids)
    trace.write_text(json.dumps({"prompt": prompt_ids, "output": cold["token_ids"]}))

    made = _json(capsys, "make-trie", str(trace), *model, "--save", str(path))
    assert made["tokens"] == len(prompt_ids) + len(cold["token_ids"])
    assert made["trie_bytes"] > 0

    warm = _json(capsys, *generate, "--trie", str(path), "--run-file", str(run_path))
    assert warm["token_ids"] == cold["token_ids"]
    assert warm["forward_passes"] < cold["forward_passes"] / 2
    assert any("corpus" in step.draft.sources for step in runfile.load(run_path).steps if step.draft is not None)

    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"prompt": "abc"}')
    bench = ("bench", "--prompts", str(prompts), *model, "--methods", "lookahead", "--repeat", "1")
    bench = (*bench, "--max-new-tokens", "60", "--budget", "fixed")
    passes = [
        _json(capsys, *bench, *more)["methods"]["lookahead"]["forward_passes"] for more in ((), ("--trie", str(path)))
    ]
    assert passes == [cold["forward_passes"], warm["forward_passes"]]


def test_a_text_is_read_as_the_tokenizer_reads_it(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, path = tmp_path / "notes.txt", tmp_path / "notes.trie"
    text.write_text("once upon a time, é…", encoding="utf-8")
    assert main(["make-trie", str(text), "--model", str(tiny_model), "--save", str(path)]) == 0
    assert "tokens" in capsys.readouterr().out
    backend = HFBackend.from_pretrained(str(tiny_model))
    ids = backend.encode("once upon a time, é…", raw=True)
    assert list(load_trie(path, backend.fingerprint).log)[: len(ids)] == ids


def test_files_that_cannot_be_drafted_from(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = HFBackend.from_pretrained(str(tiny_model))
    trie = Trie(8)
    trie.insert(range(20))
    good, bad = tmp_path / "good.trie", tmp_path / "bad.trie"
    save_trie(trie, good, backend.fingerprint)
    generate = ("generate", "--prompt", "abc", "--model", str(tiny_model), "--trie", str(bad))
    assert "bad.trie: cannot be read" in _refused(capsys, *generate)
    bad.write_bytes(good.read_bytes()[:-9])
    assert "cut short" in _refused(capsys, *generate)
    bad.write_text("a foreign file")
    assert "not a trie file" in _refused(capsys, *generate)
    save_trie(trie, bad, "another")
    assert "another tokenizer" in _refused(capsys, *generate)
    trie.insert([backend.vocab_size])
    save_trie(trie, bad, backend.fingerprint)
    assert f"outside -1 to {backend.vocab_size - 1}" in _refused(capsys, *generate)
    load_trie(bad, backend.fingerprint)
    with pytest.raises(TrieFileError, match="outside"):
        load_trie(bad, backend.fingerprint, vocab_size=backend.vocab_size)


def test_what_cannot_be_made_is_refused_and_nothing_is_written(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, trace, path = tmp_path / "a.txt", tmp_path / "a.jsonl", tmp_path / "a.trie"
    text.write_text("")
    trace.write_text('{"prompt": [1], "output": [999999]}')
    save = ("--save", str(path), "--model", str(tiny_model))
    assert "FILE" in _refused(capsys, "make-trie", *save)
    assert "--save" in _refused(capsys, "make-trie", str(text))
    assert "cannot be read" in _refused(capsys, "make-trie", "no-such-file", *save)
    assert "is empty" in _refused(capsys, "make-trie", str(text), *save)
    assert "token id 999999" in _refused(capsys, "make-trie", str(trace), *save)
    assert "make it first" in _refused(capsys, "make-trie", str(trace), "--save", "no/folder/a.trie")
    assert "no such folder" in _refused(capsys, "make-trie", str(trace), "--save", str(path), "--model", "./none")
    bare = tmp_path / "bare"
    shutil.copytree(tiny_model, bare)
    for file in bare.glob("*.safetensors"):
        file.unlink()
    text.write_text("the tokenizer is all it needs")
    assert not path.exists()
    assert main(["make-trie", str(text), "--save", str(path), "--model", str(bare)]) == 0


def _of_another_size(model: Path, folder: Path, **changed: object) -> str:
    """A copy of the model's folder with another configuration, and without weights."""
    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changed))
    return str(folder)


def test_a_tokenizer_larger_than_the_model(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What generate would refuse is not written; what it would take is, with a note."""
    small = _of_another_size(tiny_model, tmp_path / "small", vocab_size=100)
    text, trace, path = tmp_path / "a.txt", tmp_path / "a.jsonl", tmp_path / "a.trie"
    text.write_text("é", encoding="utf-8")
    trace.write_text('{"prompt": [100], "output": []}')
    for source in (text, trace):
        assert main(["make-trie", str(source), "--save", str(path), "--model", small]) == 2
        assert "token id " in (line := capsys.readouterr().err.splitlines()[-1])
        assert "the model has 0 to 99" in line
        assert not path.exists()
    trace.write_text('{"prompt": [99], "output": []}')
    assert main(["make-trie", str(trace), "--save", str(path), "--model", small]) == 0
    assert "the tokenizer has the ids 0 to 257, the model 0 to 99" in capsys.readouterr().err


def test_a_model_whose_size_is_not_known(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unknown = _of_another_size(tiny_model, tmp_path / "unknown", vocab_size=0)
    (tmp_path / "a.txt").write_text("abc")
    assert main(["make-trie", str(tmp_path / "a.txt"), "--save", str(tmp_path / "a.trie"), "--model", unknown]) == 0
    assert "vocabulary is not known here; its tokenizer has the ids 0 to 257" in capsys.readouterr().err
