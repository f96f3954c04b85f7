"""A Ray cluster for a study: one worker per device runs prompts, tasks compute replays; the files stay with the caller.

Ray is imported only where a cluster is asked for. Every node needs Ray, the libraries of this one, and the model (and
the trie file) under the same name; the code of this package is sent along.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lookahead
from lookahead.backend import BackendError
from lookahead.costs import PassCosts
from lookahead.inputs import InputError, excerpt
from lookahead.records import ModelInfo
from lookahead.study.grid import Work
from lookahead.study.joint import Outcome
from lookahead.study.material import Sample
from lookahead.study.recording import PromptError, PromptRunner, Ran, RunPlan, machine_in, plan_facts

ATTEMPTS = 3
"""Workers that a prompt may bring down before it is given up."""
RETRIES = 5
"""How often a replay whose worker died is computed again."""
CONNECT_SECONDS = 10.0
"""How long the cluster may take to answer at its address."""
_OF_A_MACHINE = ("hardware", "threads")
"""Facts of a study in which the devices of a cluster may differ."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """The model that every worker loads.

    Attributes:
        folder: Its id or folder, the same on every node.
        name: What results call it.
    """

    folder: str
    name: str
    device: str = "auto"
    dtype: str = "auto"


Loaded = tuple[dict[str, Any], ModelInfo]
"""What a worker has loaded: the facts of the study on it (``plan_facts``), and the model."""


class DeviceWorker:
    """A model on one device of the cluster, which runs one prompt after the other (a Ray actor)."""

    def __init__(self) -> None:
        self._runner: PromptRunner | None = None
        self._warm = False

    def load(self, model: ModelName, plan: RunPlan) -> Loaded:
        """Load the model.

        Raises:
            BackendError: If it cannot be loaded.
        """
        from lookahead.hf.backend import HFBackend
        from lookahead.hf.describe import model_info
        from lookahead.hf.quiet import quiet
        from lookahead.trie.file import load_corpus

        quiet()
        backend = self._backend = HFBackend.from_pretrained(model.folder, device=model.device, dtype=model.dtype)
        self._plan = replace(plan, corpus=load_corpus(plan.corpus_file, backend, plan.config))
        self._name = model.name
        return plan_facts(backend, self._plan, model.name), model_info(backend, model.name)

    def measure(self) -> PassCosts | None:
        """T(n) of this device; None if the model takes no drafts."""
        return self._made(None).pass_costs

    def run(self, sample: Sample, place: int, costs: PassCosts | None) -> Ran:
        """The prompt's runs, or why it cannot run."""
        runner = self._made(costs)
        if not self._warm:
            runner.warm_up([sample])
            self._warm = True
        return runner.tried(sample, place)

    def _made(self, costs: PassCosts | None) -> PromptRunner:
        if self._runner is None:
            self._runner = PromptRunner(self._backend, self._plan, self._name, costs)
        return self._runner


@dataclass(slots=True)
class Device:
    """A device of a cluster that a worker can have.

    Attributes:
        processors: Processors that go with it.
        gpus: 1 for a GPU, 0 for a node's processors alone.
        workers: Workers that have been started on it.
        worker: The last of them (a handle of Ray).
    """

    node: str
    processors: int
    gpus: int
    workers: int = 0
    worker: Any = None


class Cluster:
    """A connection to a running Ray cluster; close it when the work is done.

    Args:
        address: ``auto`` for the cluster of this machine, or an address as Ray takes it.

    Raises:
        InputError: If Ray is not installed, or no cluster answers there.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise InputError("--ray: Ray is not installed; install it with the extra ray (pip install ray)") from None
        self.ray: Any = ray
        on_main = threading.current_thread() is threading.main_thread()
        before = signal.getsignal(signal.SIGTERM)
        try:
            _knock(address)
            package = str(Path(lookahead.__file__).parent)
            ray.init(address=address, runtime_env={"py_modules": [package]}, log_to_driver=False, logging_level="ERROR")
        except Exception as error:  # Ray raises of every kind: addresses, versions, sockets
            reason = excerpt(str(error).splitlines()[0] if str(error) else type(error).__name__, 200)
            advice = "start one with `ray start --head`, or give the address of one"
            raise InputError(f"--ray {excerpt(address)}: no Ray cluster answers there ({reason}); {advice}") from error
        if on_main:
            signal.signal(signal.SIGTERM, before)  # Ray sets one of its own, which would not say how to go on

    def close(self) -> None:
        """Leave the cluster. Safe to call twice."""
        self.ray.shutdown()

    @property
    def jobs(self) -> int:
        """Replays that the cluster computes at the same time."""
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def outcomes(self, work: Work, parts: Sequence[tuple[int, int]]) -> Iterator[list[list[Outcome]]]:
        """The outcomes of the parts of an exploration, in their order; a part whose worker ends is computed again."""
        compute = self.ray.remote(num_cpus=1, max_retries=RETRIES)(_outcomes)
        shared = self.ray.put(work)
        for found in [compute.remote(shared, part) for part in parts]:
            yield self.ray.get(found)

    def devices(self, device: str) -> list[Device]:
        """The devices: each GPU, or each whole node where there are no GPUs (or ``cpu`` is asked for).

        Raises:
            InputError: If the cluster has neither.
        """
        alive = [node for node in self.ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
        with_gpu = [node for node in alive if node["Resources"].get("GPU", 0) >= 1] if device != "cpu" else []
        found = []
        for node in with_gpu or alive:
            cpus, gpus = (int(node["Resources"].get(name, 0)) for name in ("CPU", "GPU"))
            count = gpus if with_gpu else 1
            found += [Device(node["NodeID"], max(1, cpus // count), 1 if with_gpu else 0) for _ in range(count)]
        if not found:
            raise InputError("--ray: the cluster has no node with a processor; start one with `ray start`")
        return found

    def worker(self, device: Device) -> Any:
        """A new worker on this device (a handle of Ray)."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On  # pyright: ignore

        there = On(device.node, soft=False)
        asked = {"num_cpus": device.processors, "num_gpus": device.gpus, "scheduling_strategy": there}
        return self.ray.remote(**asked)(DeviceWorker).remote()

    def alive(self, device: Device) -> bool:
        """Whether the device's node is still there."""
        return any(node["Alive"] and node["NodeID"] == device.node for node in self.ray.nodes())


def _knock(address: str) -> None:
    """Raise OSError unless somebody listens at an address with a port: Ray itself would try for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()


def _outcomes(work: Work, part: tuple[int, int]) -> list[list[Outcome]]:
    return work.outcomes(*part)


class ClusterRunner:
    """Runs prompts on all devices of a cluster, as ``PromptRunner`` does on one; a prompt whose worker ends runs again.

    All runs take the same T(n): set ``pass_costs`` (``measure`` gives one) before they begin.

    Args:
        plan: How to run; its corpus is loaded from its file by every worker.

    Raises:
        BackendError: If the model cannot be loaded.
        InputError: If no worker could start.
    """

    def __init__(self, cluster: Cluster, model: ModelName, plan: RunPlan) -> None:
        self.plan = plan
        self.pass_costs: PassCosts | None = None
        self.notes: list[str] = []
        self._cluster, self._ray, self._model = cluster, cluster.ray, model
        self._shared = self._ray.put(replace(plan, corpus=()))
        self._busy: dict[Any, tuple[Device, tuple[int, Sample] | None]] = {}
        self._idle: deque[Device] = deque()
        self._loaded: list[Loaded] = []
        for device in cluster.devices(model.device):
            self._start(device)
        while not self._loaded:
            self._next()
        facts, self.info = self._loaded[0]
        self.facts, self.machine = facts | dict.fromkeys(_OF_A_MACHINE, "Ray"), machine_in(facts)

    def measure(self) -> PassCosts | None:
        """T(n) of the first device that is ready."""
        while True:
            while not self._idle:
                self._next()
            try:
                return self._ray.get(self._idle[0].worker.measure.remote())
            except self._ray.exceptions.RayActorError:
                self._restart(self._idle.popleft())

    def each(self, waiting: Sequence[tuple[int, Sample]]) -> Iterator[tuple[int, Ran]]:
        """Place and runs of each of these prompts, as they are done, in any order."""
        queue, ended = deque(waiting), Counter[int]()
        left = len(queue)
        while left:
            while queue and self._idle:
                device = self._idle.popleft()
                place, sample = job = queue.popleft()
                self._busy[device.worker.run.remote(sample, place, self.pass_costs)] = device, job
            lost, ran = self._next()
            if lost is not None:
                ended[lost[0]] += 1
                if ended[lost[0]] < ATTEMPTS:
                    queue.appendleft(lost)
                    continue
                ran = lost[0], PromptError(f"its worker ended {ATTEMPTS} times")
            if ran is not None:
                left -= 1
                yield ran

    def close(self) -> None:
        """End the workers, so that their processors are free."""
        for device in [*(device for device, _ in self._busy.values()), *self._idle]:
            self._ray.kill(device.worker)
        self._busy.clear()
        self._idle.clear()

    def _start(self, device: Device) -> None:
        """A worker on this device, which begins to load."""
        device.workers += 1
        device.worker = self._cluster.worker(device)
        self._busy[device.worker.load.remote(self._model, self._shared)] = device, None

    def _restart(self, device: Device) -> None:
        """Another worker on this device if it is still there and has not ended too many."""
        if device.workers < ATTEMPTS and self._cluster.alive(device):
            self._start(device)

    def _next(self) -> tuple[tuple[int, Sample] | None, tuple[int, Ran] | None]:
        """Wait for the next worker: the prompt that was lost with it, or the prompt that it has run, if any.

        Raises:
            BackendError: If a worker cannot load the model.
            InputError: If no worker is left.
        """
        if not self._busy:
            raise InputError("--ray: no worker of the cluster is left; start nodes again (`ray start`)")
        (done, *_), _ = self._ray.wait(list(self._busy), num_returns=1)
        device, job = self._busy.pop(done)
        try:
            result = self._ray.get(done)
        except self._ray.exceptions.RayActorError:
            self._restart(device)
            return job, None
        except self._ray.exceptions.RayTaskError as error:
            raise BackendError(excerpt(error.cause, 400)) from error
        if job is None and not self._agrees(result):
            self._ray.kill(device.worker)
            return None, None
        self._idle.append(device)
        return None, None if job is None else (job[0], result)

    def _agrees(self, loaded: Loaded) -> bool:
        """Whether a worker has the versions of the first one: its tokens could be others if not."""
        self._loaded.append(loaded)
        (facts, _), (first, _) = loaded, self._loaded[0]
        for name, value in first.items():
            if name not in _OF_A_MACHINE and facts[name] != value:
                found, wanted = excerpt(facts[name], 40), excerpt(value, 40)
                self.notes.append(f"a worker was left out: it has {name}={found}, the first one {wanted}")
                return False
        return True
