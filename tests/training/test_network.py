"""The training network: the same numbers as transformers, learning that goes down, checkpoints that go on."""

import dataclasses
import random

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from assets.training.alphabet import VOCAB_SIZE
from assets.training.evaluate import Answer, Case, markdown, report
from assets.training.export import export
from assets.training.mixture import tokenizer_texts
from assets.training.network import Network, Shape
from assets.training.optimizer import Muon, orthogonalised
from assets.training.packing import Packer, Row, stack
from assets.training.prompts import held_out_prompts
from assets.training.random_copying import random_document, random_documents
from assets.training.real_text import RealText
from assets.training.tokenizer import train_tokenizer
from assets.training.trainer import Stage, Trainer

TINY = Shape(width=64, feed_forward=96, layers=8, heads=4)


def tiny_network() -> Network:
    torch.manual_seed(0)
    return Network(TINY)


def test_exported_model_gives_the_logits_of_the_network(tmp_path):
    net = tiny_network()
    tokenizer = train_tokenizer(tokenizer_texts(RealText(), seed=0, size=20))
    export(dict(net.state_dict()), TINY, tokenizer, tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert AutoTokenizer.from_pretrained(tmp_path).eos_token == "<end>"
    assert model.generation_config.eos_token_id == 1
    net.load_state_dict({name: value.bfloat16().float() for name, value in net.state_dict().items()})
    row = Row(120)
    document = random_document(np.random.default_rng(0), 3, 6, 1)
    row.add(document)
    batch = stack([row])
    with torch.no_grad():
        hidden, _ = net(batch.ids, batch.positions, batch.mask)
        wanted = model(batch.ids[:, : row.used]).logits
    torch.testing.assert_close(net.logits(hidden)[:, : row.used], wanted, atol=1e-4, rtol=1e-4)


def test_orthogonalised_matrices_have_singular_values_near_one():
    matrices = orthogonalised(torch.randn(3, 96, 64), torch.float32)
    values = torch.linalg.svdvals(matrices)
    assert values.max() < 1.3
    assert values.min() > 0.4


def test_loss_goes_down_and_a_checkpoint_goes_on(tmp_path):
    stage = Stage("try", tokens=12 * 4 * 128, rows=4, length=128)

    def batches(step: int):
        return Packer(4, 128).batches(random_documents(np.random.default_rng(step), 0.0))

    trainer = Trainer(tiny_network(), tmp_path, compiled=False)
    first = trainer.step(stage, next(batches(0)))
    trainer.run(stage, batches)
    last = trainer.step(stage, next(batches(0)))
    assert last["start"] < first["start"]
    assert last["loss"] < first["loss"]
    again = Trainer(tiny_network(), tmp_path, compiled=False)
    assert again.resume()
    assert again.progress.step == stage.steps
    assert again.finished == ["try"]
    again.run(stage, batches)  # nothing left to do
    assert again.progress.step == stage.steps


def test_optimizer_keeps_bf16_weights_at_their_fp32_masters():
    net = tiny_network().bfloat16()
    optimizer = Muon(net)
    net.logits(net.norm[None]).float().logsumexp(-1).sum().backward()
    optimizer.step(0.01, 0.01)
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, optimizer.masters[name].bfloat16())


def test_report_counts_what_it_says():
    case = Case("grounded, Wikipedia", "", passage="One is red. Two is blue.", golds=("blue",))
    case = dataclasses.replace(case, sentences=("One is red.", "Two is blue."))
    right, wrong = Answer("Two is blue.", 4, True), Answer("One is", 256, False)
    row = report([case, case], [right, wrong])["grounded, Wikipedia"]
    assert row["ends by itself"] == row["holds an answer"] == row["one whole sentence"] == 0.5
    assert row["verbatim"] == 1.0
    assert markdown({"grounded": row}).count("\n") == 2


def test_bench_prompts_are_the_same_every_time():
    prompts = held_out_prompts(6)
    assert prompts == held_out_prompts(6)
    assert {len(each) for each in prompts.values()} == {6}


def test_random_ids_stay_in_the_vocabulary():
    rng = random.Random(0)
    document = random_document(np.random.default_rng(rng.randint(0, 99)), 5, 9, 6)
    assert max(document.prefix) < VOCAB_SIZE
