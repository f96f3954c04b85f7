"""Loading a model, and the message when that fails; sessions; measured pass costs."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

from lookahead.backend import BackendError
from lookahead.config import LookaheadConfig
from lookahead.draft import DraftTree
from lookahead.engine import LookaheadEngine
from lookahead.hf import HFBackend
from lookahead.hf.loading import resolve_device, resolve_dtype
from tests.lookahead.drafters import NoisyOracle, tree_of
from tests.lookahead.tiny_models import MOST_POSITIONS, VOCAB_SIZE, drafted, hf_greedy, tiny_mamba
from tests.lookahead.tiny_models import tiny_model as tiny


def one_line(error: pytest.ExceptionInfo[BackendError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.fixture
def model_folder(stories260k, tmp_path):
    """A copy of a model that a test may break."""
    folder = tmp_path / "model"
    shutil.copytree(stories260k, folder)
    return folder


def test_a_folder_is_loaded(stories260k):
    backend = HFBackend.from_pretrained(str(stories260k))
    assert (backend.vocab_size, backend.context_limit, backend.eos_ids) == (512, 512, (2,))
    assert (backend.device.type, backend.dtype) == (resolve_device("auto").type, resolve_dtype("auto", backend.device))
    assert backend.draft_shape == "tree"
    assert backend.notice is None
    assert len(backend.fingerprint) == 16
    stream = backend.output_text()
    ids = backend.encode("Once upon a time")
    assert "".join(stream.push((token_id,)) for token_id in ids) + stream.finish() == backend.decode(ids)


def test_auto_means_float32_on_the_cpu_whatever_is_stored(model_folder):
    config = json.loads((model_folder / "config.json").read_text())
    (model_folder / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    assert HFBackend.from_pretrained(str(model_folder), device="cpu").dtype == torch.float32
    assert HFBackend.from_pretrained(str(model_folder), device="cpu", dtype="bfloat16").dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["no/such/folder/here", "./nothing", "/nothing/at/all", ""])
def test_a_folder_that_is_not_there(name):
    with pytest.raises(BackendError, match="no such folder") as error:
        HFBackend.from_pretrained(name)
    one_line(error)


def test_an_id_that_cannot_be_found():
    with pytest.raises(BackendError, match="not found on Hugging Face, or no network") as error:
        HFBackend.from_pretrained("nobody/no-such-model-anywhere")
    one_line(error)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file(model_folder, missing):
    (model_folder / missing).unlink()
    with pytest.raises(BackendError, match="config.json" if missing == "config.json" else "check its files") as error:
        HFBackend.from_pretrained(str(model_folder))
    one_line(error)


@pytest.mark.parametrize("broken", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_broken_file(model_folder, broken):
    (model_folder / broken).write_bytes(b'{"half": ')
    with pytest.raises(BackendError, match="cannot be loaded") as error:
        HFBackend.from_pretrained(str(model_folder))
    one_line(error)


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        (
            "config.json",
            {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}},
        ),
        ("tokenizer_config.json", {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}}),
    ],
)
def test_code_in_a_model_folder_is_not_run_and_nobody_is_asked(model_folder, monkeypatch, file, changes):
    (model_folder / "own.py").write_text("raise SystemExit('the code of the folder was run')")
    settings = json.loads((model_folder / file).read_text())
    (model_folder / file).write_text(json.dumps({**settings, **changes}))
    questions = []
    monkeypatch.setattr("builtins.input", lambda question: questions.append(question) or "y")
    with pytest.raises(BackendError, match="needs its own code, which this library does not run") as error:
        HFBackend.from_pretrained(str(model_folder))
    one_line(error)
    assert not questions


def test_a_file_is_no_folder(model_folder):
    with pytest.raises(BackendError, match="this is a file"):
        HFBackend.from_pretrained(str(model_folder / "config.json"))


@pytest.mark.parametrize(
    ("device", "message"), [("tpu9", "not known"), ("meta", "not supported"), ("cuda:99", "not available")]
)
def test_devices(device, message):
    with pytest.raises(BackendError, match=message) as error:
        resolve_device(device)
    one_line(error)
    assert resolve_device("cpu") == torch.device("cpu")


def test_dtypes():
    cpu = torch.device("cpu")
    assert resolve_dtype("auto", cpu) == torch.float32
    assert resolve_dtype("float16", cpu) == torch.float16
    with pytest.raises(BackendError, match="'int8' is not known"):
        resolve_dtype("int8", cpu)
    with pytest.raises(BackendError, match="mps"):
        resolve_dtype("float64", torch.device("mps"))


@pytest.mark.parametrize("extra", [1, 3])
def test_a_tokenizer_larger_than_the_model_is_said_and_its_tokens_are_refused(tiny_model, tmp_path, extra):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"<new{number}>" for number in range(extra)])
    tokenizer.save_pretrained(folder)
    backend = HFBackend.from_pretrained(str(folder))
    (notice,) = backend.notices
    assert notice.startswith(f"the tokenizer has {258 + extra} tokens, the model 258")
    assert backend.decode(backend.encode("abc")) == "abc"
    with pytest.raises(BackendError, match=f"token id {257 + extra} in the prompt: the tokenizer has") as error:
        backend.encode(f"abc<new{extra - 1}>")
    one_line(error)


def test_a_chat_template_that_refuses_is_said_at_the_start(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no users') }}")
    backend = HFBackend.from_pretrained(str(folder))
    (notice,) = backend.notices
    assert "its chat template refused the prompt (no users); --raw" in notice
    assert backend.encode("abc", raw=True)


def test_an_encoder_decoder_is_refused():
    config = T5Config(vocab_size=20, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    with pytest.raises(BackendError, match="not a causal language model"):
        HFBackend(T5ForConditionalGeneration(config))


def test_a_model_without_a_tokenizer_knows_ids_only():
    backend = HFBackend(tiny("llama"))
    assert backend.fingerprint == f"ids-{VOCAB_SIZE}"
    for call in (lambda: backend.encode("x"), lambda: backend.decode([1]), lambda: backend.output_text(["x"])):
        with pytest.raises(BackendError, match="no tokenizer"):
            call()


def test_a_prefill_of_one_token_and_a_cache_that_grows():
    model = tiny("llama")
    session = HFBackend(model).new_session(600)
    first = session.prefill([5])
    expected = hf_greedy(model, [5], 154)
    output = [first]
    while len(output) < 150:
        wrong = (output[-1] + 1) % VOCAB_SIZE
        target_ids = session.choose(tree_of([output[-1], wrong, expected[len(output)]], [-1, 0, 0]))
        session.keep([2])
        output += [target_ids[0], target_ids[2]]
        target_ids = session.choose(DraftTree.root_only(output[-1]))
        session.keep([])
        output.append(target_ids[0])
    assert output[:150] == expected[:150]


def test_a_closed_session_is_closed():
    session = HFBackend(tiny("llama")).new_session(20)
    with pytest.raises(RuntimeError, match="prefill"):
        session.choose(DraftTree.root_only(5))
    session.prefill([1, 2])
    session.close()
    session.close()
    with pytest.raises(RuntimeError, match="close"):
        session.choose(DraftTree.root_only(5))


def test_runs_do_not_touch_each_other():
    model = tiny("llama")
    backend = HFBackend(model)
    prompts = [[1, 2, 3], [4, 5, 6, 7, 8], [0]]
    expected = [hf_greedy(model, prompt, 20) for prompt in prompts]
    config = LookaheadConfig(decoding_length=8, budget="fixed")
    runs = [
        LookaheadEngine(backend, config, NoisyOracle(answer, VOCAB_SIZE, 0.6)).generate(prompt, max_new_tokens=20)
        for prompt, answer in zip(prompts, expected, strict=True)
    ]
    outputs: list[list[int]] = [[] for _ in runs]
    for _ in range(20):
        for run, output in zip(runs, outputs, strict=True):
            record = next(run, None)
            output.extend(record.emitted_ids if record else ())
    assert outputs == expected


def test_inference_mode_does_not_leak_out_of_a_run():
    oracle = NoisyOracle([], VOCAB_SIZE)
    engine = LookaheadEngine(HFBackend(tiny("llama")), LookaheadConfig(budget="fixed"), oracle)
    for _ in engine.generate([1], max_new_tokens=4):
        assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("scaling", [{"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [4.0] * 4}])
def test_positions_that_change_at_a_length_are_decoded_plainly_there(scaling):
    model = tiny("phi3", original_max_position_embeddings=32, rope_parameters={"rope_theta": 1e4, **scaling})
    backend = HFBackend(model)
    assert backend.draft_shape == "tree", backend.notice
    for prompt_length, supported in ((5, False), (31, False), (32, False), (33, True), (40, True)):
        prompt = [(3 * index) % VOCAB_SIZE for index in range(prompt_length)]
        expected = hf_greedy(model, prompt, 40)
        assert (len(drafted(backend, prompt, expected)) < 40) == supported
        notice = backend.run_notice(prompt_length + 40, prompt_length)
        assert (notice is None) == supported
        assert notice is None or "32 tokens" in notice
    assert backend.new_session(30, 5).draft_shape == "tree", "a run that stays below the length is not concerned"
    assert backend.run_notice(30, 5) is None


def test_the_end_of_the_position_table_is_the_context_limit():
    assert HFBackend(tiny("gpt2")).context_limit == MOST_POSITIONS
    assert HFBackend(tiny_mamba()).context_limit is None
