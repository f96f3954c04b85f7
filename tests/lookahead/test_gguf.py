"""Models in GGUF files: how they are named, what counts in them, and two real ones against transformers."""

from __future__ import annotations

import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from lookahead.backend import BackendError
from lookahead.hf import HFBackend, checkpoint
from lookahead.hf.describe import model_info
from lookahead.hf.loading import load_tokenizer
from tests.lookahead.tiny_models import drafted, hf_greedy

LETTERS = [chr(code) for code in range(0x21, 0x7F)]
TOKENS = ["<s>", "</s>", "<|end|>", "<|endoftext|>", "Ġ", "Ċ", *LETTERS, "ab"]
TEMPLATE = "{% for m in messages %}<s>{{ m['role'] }}:{{ m['content'] }}{% endfor %}<|end|>"
WIDTH, INNER, LAYERS = 32, 64, 2


@pytest.fixture(scope="module")
def tiny_gguf(tmp_path_factory) -> Path:
    """A random Llama with a byte-level tokenizer, a chat template and an EOS that is not the usual one."""
    path = tmp_path_factory.mktemp("gguf") / "tiny-Q8.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(1e4)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3] * 4 + [1] * (len(TOKENS) - 4))
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    random = np.random.default_rng(0)
    shapes = {"token_embd": (len(TOKENS), WIDTH), "output": (len(TOKENS), WIDTH)}
    for layer in range(LAYERS):
        shapes |= {f"blk.{layer}.attn_{name}": (WIDTH, WIDTH) for name in ("q", "output")}
        shapes |= {f"blk.{layer}.attn_{name}": (WIDTH // 2, WIDTH) for name in ("k", "v")}
        shapes |= {f"blk.{layer}.ffn_{name}": (INNER, WIDTH) for name in ("gate", "up")}
        shapes |= {f"blk.{layer}.ffn_down": (WIDTH, INNER)}
        shapes |= {f"blk.{layer}.{name}_norm": (WIDTH,) for name in ("attn", "ffn")}
    for name, shape in {**shapes, "output_norm": (WIDTH,)}.items():
        weight = np.ones(shape) if len(shape) == 1 else random.normal(0, 0.3, shape)
        kind = gguf.GGMLQuantizationType.F32 if len(shape) == 1 else gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(f"{name}.weight", gguf.quantize(weight.astype(np.float32), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_its_folder_and_the_hub_name_one_model(tiny_gguf, monkeypatch):
    asked = []

    def downloaded(repository, file, local_files_only):
        asked.append((repository, file))
        return str(tiny_gguf)

    monkeypatch.setattr(checkpoint, "hf_hub_download", downloaded)
    for name in (str(tiny_gguf), str(tiny_gguf.parent), "org/Some.Repo-GGUF:sub/tiny-Q8.gguf"):
        backend = HFBackend.from_pretrained(name, device="cpu")
        assert backend.dtype == torch.float32
        assert (backend.eos_ids, backend.context_limit, backend.notices) == ((2,), 128, ())
        assert model_info(backend, name).name == model_info(backend).name == "tiny-Q8"
        assert model_info(backend, "embedded").name == "embedded"
        assert backend.decode(backend.encode("ab c", raw=True)) == "ab c"
        spelled = backend.vocabulary.decode(backend.encode("ab"), skip_special=False)
        assert spelled == "<s>user:ab<|end|>"
    assert asked == [("org/Some.Repo-GGUF", "sub/tiny-Q8.gguf")]
    assert len(load_tokenizer(str(tiny_gguf))) == len(TOKENS)


def test_a_file_of_that_name_in_the_working_directory_is_not_taken(tiny_gguf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / tiny_gguf.name).write_bytes(b"GGUF, but not a model")
    assert HFBackend.from_pretrained(str(tiny_gguf)).vocab_size == len(TOKENS)


def test_the_names_of_tensors_are_made_once(tiny_gguf, monkeypatch):
    made, make = [], gguf.get_tensor_name_map
    monkeypatch.setattr(gguf, "get_tensor_name_map", lambda *kind: made.append(kind) or make(*kind))
    HFBackend.from_pretrained(str(tiny_gguf), device="cpu")
    assert len(made) == 1


def test_drafts_on_a_gguf_model_write_what_generate_writes(tiny_gguf):
    backend = HFBackend.from_pretrained(str(tiny_gguf), device="cpu")
    prompt = backend.encode("hello")
    expected = hf_greedy(backend.model, prompt, 30)
    drafted(backend, prompt, expected)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("other.gguf", b"GIF89a", "not GGUF; download it again"),
        ("lfs.gguf", b"version https://git-lfs.github.com/spec/v1", "not GGUF"),
        ("empty.gguf", b"", "not GGUF"),
        ("cut.gguf", b"GGUF\3\0\0\0", "cannot be loaded from this file"),
        ("big-00001-of-00003.gguf", b"GGUF", "a part of a split GGUF file; join the parts"),
        ("model.bin", b"GGUF", "this is a file; name the folder"),
    ],
)
def test_files_that_are_not_a_model(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BackendError, match=message) as error:
        HFBackend.from_pretrained(str(tmp_path / name))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["nothing.gguf", "org/repo/file.gguf", "./some/where.GGUF"])
def test_a_gguf_file_that_is_not_there(name):
    with pytest.raises(BackendError, match=r"no such file; a file on Hugging Face is written ORG/REPO:FILE\.gguf"):
        HFBackend.from_pretrained(name)


def test_a_gguf_file_on_the_hub_that_is_not_there():
    with pytest.raises(BackendError, match="not found on Hugging Face, or no network"):
        HFBackend.from_pretrained("nobody/no-such-repository:file.gguf")


def test_of_several_gguf_files_in_a_folder_one_is_named(tiny_gguf, tmp_path):
    for name in ("b.gguf", "a.gguf"):
        shutil.copy(tiny_gguf, tmp_path / name)
    with pytest.raises(BackendError, match=r"2 GGUF files; name one of them: a\.gguf, b\.gguf"):
        HFBackend.from_pretrained(str(tmp_path))


@pytest.mark.parametrize("missing", [["gguf"], ["accelerate"], ["gguf", "accelerate"]])
def test_missing_packages_are_asked_for_in_one_line(tiny_gguf, monkeypatch, missing):
    monkeypatch.setattr(checkpoint, "find_spec", lambda name: None if name in missing else object())
    with pytest.raises(BackendError, match=f"pip install {' '.join(missing)}$"):
        HFBackend.from_pretrained(str(tiny_gguf))


@pytest.mark.parametrize(
    ("name", "eos", "chat"),
    [
        ("smollm2-135m", "<|im_end|>", "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"),
        ("gemma3-270m", "<eos>", "<bos>Hello"),
    ],
)
def test_a_real_model(real_models, name, eos, chat):
    backend = HFBackend.from_pretrained(str(real_models(name)), device="cpu")
    vocabulary = backend.vocabulary
    assert (backend.dtype, backend.notices, model_info(backend).name) == (torch.float32, (), name)
    assert [vocabulary.alone(token_id) for token_id in backend.eos_ids] == [eos]
    assert vocabulary.decode(backend.encode("Hello"), skip_special=False).endswith(chat)
    text = "naïve café – 日本語 🎉\n    def f(x):\n\treturn x**2"
    assert backend.decode(backend.encode(text, raw=True)) == text
    prompt = backend.encode("Name three colours.")
    expected = hf_greedy(backend.model, prompt, 12)
    assert len(drafted(backend, prompt, expected, 0.7, width=8)) < 10, "drafts were accepted"
