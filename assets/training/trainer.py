"""The training loop: losses, prefetching, checkpoints, progress."""

from __future__ import annotations

import queue
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from .network import Network
from .optimizer import Muon
from .packing import Batch
from .supervision import WATCHED, supervision_losses
from .threads import ThreadChoice


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of the training.

    Attributes:
        name: What the checkpoint calls it; a stage is resumed by its name.
        tokens: How many tokens it lasts, padding included.
        rows, length: The batch.
        rate: Learning rate of the matrices at its start; ``last_rate`` at its end, in a straight line.
        adam_rate: The share of it that embeddings and norms get.
        supervision: What the attention losses count at its start; ``last_supervision`` at its end.
        places: Whether the heads that find places are supervised as well.
        averaged_with: An earlier stage, which has to be ``kept``: before this one begins, its last weights are averaged
            with those at hand, at a share of ``averaged_share`` ("model soups", Wortsman et al. 2022).
        kept: Whether the checkpoint at its end is kept under its name.
    """

    name: str
    tokens: int
    rows: int
    length: int
    rate: float = 0.02
    last_rate: float = 0.02
    adam_share: float = 0.15
    supervision: float = 1.0
    last_supervision: float = 1.0
    places: bool = True
    averaged_with: str = ""
    averaged_share: float = 0.5
    kept: bool = False

    @property
    def steps(self) -> int:
        return self.tokens // (self.rows * self.length)


SUPERVISION_WEIGHTS = {"copy": 1.0, "choice": 0.5, "start": 0.3, "gold": 0.3, "vote": 0.3, "before": 0.3, "pair": 0.2}
"""What each kind of attention loss counts beside the answer loss."""


def batch_losses(net: Network, batch: Batch, places: bool) -> dict[str, Tensor]:
    """The answer loss per weighted token, the attention losses, and which targets were the first choice."""
    hidden, seen = net(batch.ids, batch.positions, batch.mask, WATCHED)
    losses = supervision_losses(seen, batch, places)
    return losses | {"hidden": hidden}


def language_loss(net: Network, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Weighted cross-entropy over the tokens that count, and the share of answer tokens guessed right."""
    at = batch.weights.flatten().nonzero()[:, 0]
    weights = batch.weights.flatten()[at]
    targets = batch.targets.flatten()[at]
    logits = net.logits(hidden.flatten(0, 1)[at]).float()
    loss = (functional.cross_entropy(logits, targets, reduction="none") * weights).sum() / weights.sum()
    important = weights >= 1.0
    right = ((logits.detach().argmax(-1) == targets) & important).sum() / important.sum().clamp(min=1)
    return loss, right


def prefetched(batches: Iterator[Batch], depth: int = 3) -> Iterator[Batch]:
    """The same batches, made by a thread while the network is busy."""
    ready: queue.Queue[Batch | Exception] = queue.Queue(depth)

    def fill() -> None:
        try:
            for batch in batches:
                ready.put(batch)
        except Exception as error:  # noqa: BLE001 - handed over to the training thread
            ready.put(error)

    threading.Thread(target=fill, daemon=True).start()
    while True:
        item = ready.get()
        if isinstance(item, Exception):
            raise item
        yield item


def on_device(batch: Batch, device: torch.device, dtype: torch.dtype) -> Batch:
    """The batch where the network is, its mask in the network's dtype."""
    moved = {f.name: getattr(batch, f.name).to(device) for f in fields(batch)}
    moved["mask"] = moved["mask"].to(dtype)
    return Batch(**moved)


@dataclass(slots=True)
class Progress:
    """Where a training stands; saved with the weights."""

    stage: str = ""
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


class Trainer:
    """Runs stages one after another, from wherever the checkpoint is."""

    def __init__(
        self,
        net: Network,
        folder: Path,
        save_every_seconds: float = 300.0,
        compiled: bool = True,
        threads: ThreadChoice | None = None,
    ) -> None:
        self.net = net
        self.optimizer = Muon(net)
        self.folder = folder
        self.save_every_seconds = save_every_seconds
        self.progress = Progress()
        self.finished: list[str] = []
        self.threads = threads
        self.forward: Callable[[Network, Batch, bool], dict[str, Tensor]] = (
            torch.compile(batch_losses, dynamic=False) if compiled else batch_losses
        )

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def save(self) -> None:
        """Writes the checkpoint in one move, so that an interrupted write leaves the old one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        p = self.progress
        state = {
            "optimizer": self.optimizer.state_dict(),
            "progress": {"stage": p.stage, "step": p.step, "tokens": p.tokens, "seconds": p.seconds},
            "finished": self.finished,
        }
        torch.save(state, self.checkpoint.with_suffix(".new"))
        self.checkpoint.with_suffix(".new").replace(self.checkpoint)

    def resume(self) -> bool:
        """True if there was a checkpoint; its weights and place are taken over."""
        if not self.checkpoint.exists():
            return False
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])
        self.finished = state["finished"]
        return True

    def run(self, stage: Stage, batches: Callable[[int], Iterator[Batch]]) -> None:
        """Trains through ``stage``; ``batches(step)`` starts the stream as it is from that step on."""
        if stage.name in self.finished:
            return
        if self.progress.stage != stage.name:
            if stage.averaged_with:
                self.average(stage.averaged_with, stage.averaged_share)
            self.progress.stage, self.progress.step = stage.name, 0
        saved = started = time.monotonic()
        before = self.progress.seconds
        stream = prefetched(batches(self.progress.step))
        bar = tqdm(
            total=stage.steps,
            initial=self.progress.step,
            desc=stage.name,
            mininterval=10,
            dynamic_ncols=True,
            unit="step",
        )
        smooth: dict[str, float] = {}
        stopped: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
        while self.progress.step < stage.steps:
            if stopped:
                self.save()
                raise SystemExit("stopped; the checkpoint is written")
            batch = next(stream)
            if self.threads is not None:
                self.threads.before()
            losses = self.step(stage, batch)
            if self.threads is not None:
                self.threads.after()
            for name, value in losses.items():
                smooth[name] = 0.97 * smooth.get(name, value) + 0.03 * value
            self.progress.step += 1
            self.progress.tokens += stage.rows * stage.length
            self.progress.seconds = before + time.monotonic() - started
            bar.update()
            shown = {name: f"{value:.3f}" for name, value in smooth.items()}
            bar.set_postfix(shown | ({"threads": self.threads.now} if self.threads else {}), refresh=False)
            if time.monotonic() - saved > self.save_every_seconds:
                self.save()
                saved = time.monotonic()
        bar.close()
        self.finished.append(stage.name)
        self.save()
        if stage.kept:
            shutil.copyfile(self.checkpoint, self.folder / f"{stage.name}.pt")

    def average(self, stage: str, share: float) -> None:
        """Take the mean of the weights at hand and, to this share, those at the end of an earlier stage."""
        state = torch.load(self.folder / f"{stage}.pt", map_location="cpu", weights_only=True)
        self.optimizer.average(state["optimizer"]["masters"], share)

    def step(self, stage: Stage, batch: Batch) -> dict[str, float]:
        """One update; returns the losses and the share of answer tokens that were right."""
        parameter = self.net.norm
        batch = on_device(batch, parameter.device, parameter.dtype)
        losses = self.forward(self.net, batch, stage.places)
        answer, right = language_loss(self.net, losses.pop("hidden"), batch)
        done = self.progress.step / stage.steps
        share = stage.supervision + (stage.last_supervision - stage.supervision) * done
        supervised = torch.stack([SUPERVISION_WEIGHTS[name] * loss for name, loss in losses.items()]).sum()
        (answer + share * supervised).backward()
        warm = min(1.0, (self.progress.tokens / (stage.rows * stage.length) + 1) / 100)
        rate = (stage.rate + (stage.last_rate - stage.rate) * done) * warm
        self.optimizer.step(rate, rate * stage.adam_share)
        return {"loss": answer.item(), "right": right.item()} | {k: v.item() for k, v in losses.items()}
