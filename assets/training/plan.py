"""The stages of the training, in order, and what each one reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from .encoding import Encoder
from .mixture import Mixture, Shares
from .packing import Batch, Packer
from .random_copying import random_documents
from .real_text import RealText
from .trainer import Stage


@dataclass(frozen=True, slots=True)
class Planned:
    """A stage with its documents: random ids of rising hardness (``shares`` is None) or tasks in shares."""

    stage: Stage
    shares: Shares | None = None
    hardness: tuple[float, float] = (0.0, 0.4)


COPYING = Shares(random=0.15)
ANSWERING = Shares(random=0.08, real=0.5, steps=0.12, story=0.12, longest=2)
HARDER = Shares(random=0.1, real=0.55, told=0.15, rewriting=0.35, steps=0.08, story=0.08, longest=2)
LAST = Shares(random=0.05, real=0.5, told=0.15, extraction=0.25, rewriting=0.4, steps=0.08, story=0.08, longest=2)
WRITTEN = Shares(random=0.04, real=0.9, told=0.12, extraction=0.2, rewriting=0.4, steps=0.08, story=0.1, longest=2)
REPEATING = replace(WRITTEN, rewriting=0.5, tangled=0.4)
REAL = replace(WRITTEN, real=1.8, told=0.2, tangled=0.3, steps=0.12)
LISTING = replace(REAL, real=1.5, rewriting=0.5)
LONG = replace(LISTING, rewriting=0.7)
MORE = replace(WRITTEN, real=1.0, told=0.16, rewriting=0.45, tangled=0.3, steps=0.12)


def steady(name: str, steps: int, rate: float, last_rate: float | None = None) -> Stage:
    """A stage of long rows, six at a time, at one learning rate or from one to another."""
    return Stage(
        name, steps * 6 * 768, rows=6, length=768, rate=rate, last_rate=rate if last_rate is None else last_rate
    )


def falling(name: str, steps: int, rate: float, last_rate: float = 0.0002) -> Stage:
    """The same with a falling rate, the heads held less and less to where they look."""
    return replace(steady(name, steps, rate, last_rate), last_supervision=0.3, places=False)


PLAN = (
    Planned(Stage("random-easy", tokens=2_441_216, rows=16, length=256), hardness=(0.0, 0.25)),
    Planned(Stage("mixed-512", tokens=5_304_320, rows=8, length=512), COPYING),
    Planned(replace(steady("cooldown-768", 850, 0.02, 0.0005), last_supervision=0.3), ANSWERING),
    Planned(steady("settling-768", 260, 0.006, 0.0005), ANSWERING),
    Planned(steady("longer-768", 716, 0.012), ANSWERING),
    Planned(steady("harder-768", 459, 0.013), HARDER),
    Planned(falling("second-cooldown-768", 620, 0.012), LAST),
    Planned(steady("third-768", 852, 0.012), LAST),
    Planned(steady("asked-768", 984, 0.012), WRITTEN),
    Planned(replace(falling("third-cooldown-768", 2300, 0.012), kept=True), WRITTEN),
    Planned(falling("repeating-768", 1300, 0.009), REPEATING),
    Planned(replace(falling("fourth-cooldown-768", 1100, 0.006), averaged_with="third-cooldown-768"), MORE),
    Planned(falling("last-768", 290, 0.003, 0.0001), REAL),
    Planned(replace(steady("mean", 0, 0.0), averaged_with="third-cooldown-768", averaged_share=0.25), REAL),
    Planned(replace(falling("placing-768", 2000, 0.008), places=True, kept=True), LISTING),
    Planned(replace(falling("fifth-cooldown-768", 3000, 0.01), places=True), LONG),
    Planned(replace(steady("second-mean", 0, 0.0), averaged_with="placing-768"), LONG),
)
"""What ``python -m assets.training`` runs, in this order; the committed weights are those of the end. The rates of
"settling-768" are worked out from how far it moved the weights: they were not written down. The written questions
came in parts while "asked-768" ran. Tangled functions, the second file of functions and pieces repeated near by came
with "repeating-768", which began on a schedule of 1,800 steps, as the stage after it on one of 1,500; until
"last-768" some pieces also took the end of their sentence along. Lists, pieces of more than four ids, what counts
more after four known tokens and the heads that look four and eight tokens back came with "placing-768", which began
on a schedule of 2,400 steps.
"""


def scaled(factor: float) -> tuple[Planned, ...]:
    """The plan with ``factor`` times the tokens in every stage."""
    return tuple(replace(p, stage=replace(p.stage, tokens=round(p.stage.tokens * factor))) for p in PLAN)


def stream(planned: Planned, seed: int, encoder: Encoder | None, text: RealText) -> Callable[[int], Iterator[Batch]]:
    """What ``Trainer.run`` asks for: the batches of a stage from a step on; a resumed stage gets fresh documents."""
    stage = planned.stage

    def batches(step: int) -> Iterator[Batch]:
        packer = Packer(stage.rows, stage.length)
        if planned.shares is None:
            rng = np.random.default_rng([seed, step])
            return packer.batches(next(random_documents(rng, h)) for h in hardnesses(planned, step))
        if encoder is None:
            raise ValueError(f"stage {stage.name} needs a tokenizer")
        return packer.batches(Mixture(seed + 1000 + step, encoder, text, planned.shares).documents())

    return batches


def hardnesses(planned: Planned, step: int) -> Iterator[float]:
    """The hardness of each random document, rising through the stage (about 24 documents per step)."""
    low, high = planned.hardness
    done = step * 24
    while True:
        yield low + (high - low) * min(1.0, done / (24 * planned.stage.steps))
        done += 1
