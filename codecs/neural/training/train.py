"""The training loop: one network for each lambda of a recipe, or one for all; a killed training can be resumed.

On a CPU, a resumed training gives the same numbers to the last bit if the number of threads is the same. A CUDA device
adds in no fixed order.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from . import logs, saving
from .job import Job
from .learner import Learner
from .recipe import Diverged, TrainingError
from .rescaling import rescaled

Report = Callable[[int, int, str], None]
"""Called with (steps done, steps in total, a note on the last steps)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a training: steps done, steps done by earlier calls, wall time, and the checkpoint files."""

    steps: int
    before: int
    wall_s: float
    files: tuple[Path, ...]


def train(job: Job, report: Report = lambda _done, _total, _note: None) -> Outcome:
    """Train the networks of a job to their last step, starting where an earlier call stopped.

    The folder gets the checkpoints of the last save: one per lambda, e.g. `l0.013.safetensors`, or `RECIPE.safetensors`
    for all lambdas. `best/` gets the checkpoints with the best validation, and `state/` the state to resume from.
    log.csv, valid.csv and loss.png are described in `logs`. Raises Diverged if a loss is not finite, and TrainingError
    if another process trains in the folder or memory runs out.
    """
    started = time.perf_counter()
    cuda_devices = [job.device] if job.device.type == "cuda" else []
    with _locked(job.out), torch.random.fork_rng(devices=cuda_devices), _cudnn_benchmark():
        try:
            loop = _Loop(job, report)
            before = loop.done
            try:
                loop.run()
            except KeyboardInterrupt:
                loop.save_states()
                raise
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"{job.device} is out of memory: use a smaller batch or crop, or fewer lambdas at once; the same "
                f"command resumes {job.out} when more memory is free"
            ) from error
    files = tuple(learner.checkpoint_file for learner in loop.learners)
    return Outcome(loop.done, before, time.perf_counter() - started, files)


@contextlib.contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Keep other processes from training in the same folder; raise TrainingError if one already does."""
    try:
        with FileLock(out / "state" / "lock", timeout=0):
            yield
    except Timeout as error:
        raise TrainingError(f"another process is training in {out}: wait for it, or choose another --out") from error


@contextlib.contextmanager
def _cudnn_benchmark() -> Iterator[None]:
    """Let cuDNN find its fastest kernels by trial, which pays off because all crops have the same size."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


class _Loop:
    """All networks of a job, and the schedule of their steps, logs and saves."""

    def __init__(self, job: Job, report: Report) -> None:
        self.job, self.report, self.note = job, report, ""
        self.diverged: dict[Learner, Diverged] = {}
        self.learners = [Learner(job, index, lam) for index, lam in enumerate(job.recipe.stems.values())]
        for learner in self.learners:
            if learner.state_file.exists():
                saving.resume(learner)
        # Sums in a resumed state belong to steps whose log row is not yet written, the last step included.
        self._drop_rows("log.csv", [learner.step - bool(learner.step and learner.count) for learner in self.learners])
        self._drop_rows("valid.csv", [learner.published for learner in self.learners])
        self.seconds_before = max((row["seconds"] for row in logs.read(job.out / "log.csv")), default=0.0)
        self.started = self.last_saved = time.monotonic()

    def _drop_rows(self, name: str, done: Sequence[int]) -> None:
        """Drop the rows of a log that are later than the last step of their network."""
        recipe = self.job.recipe
        steps = {
            f"{learner.lam:.6g}": step
            for learner, step in zip(self.learners, done, strict=True)
            if learner.lam is not None
        }
        if recipe.variable:
            # All lambdas in the logs belong to the single network.
            steps = dict.fromkeys(["", *(f"{lam:.6g}" for lam in recipe.lambdas)], done[0])
        logs.drop_rows(self.job.out / name, steps)

    @property
    def done(self) -> int:
        """Steps done by all networks."""
        return sum(learner.step for learner in self.learners)

    @property
    def seconds(self) -> float:
        """Seconds that this training has taken, earlier calls included."""
        return self.seconds_before + time.monotonic() - self.started

    def run(self) -> None:
        """Take every remaining step; raise Diverged at the end if a network diverged."""
        total = sum(learner.steps for learner in self.learners)
        self._start_learners()
        for learner in self.learners:
            if learner.started and learner.step:
                with self._setting_aside(learner):
                    self._record(learner)
        while ready := [learner for learner in self.learners if self._active(learner) and learner.step < learner.steps]:
            # On a CUDA device the networks take turns, each on its own stream; a CPU gains nothing from that.
            for learner in ready if self.job.device.type == "cuda" else ready[:1]:
                with self._setting_aside(learner):
                    learner.advance()
                    self._start_learners()
                    self._record(learner)
                    if time.monotonic() - self.last_saved >= self.job.recipe.keep_seconds:
                        self.save_states()
                self.report(self.done, total, self.note)
        if self.diverged:
            raise Diverged("; ".join(str(error) for error in self.diverged.values()))

    def save_states(self) -> None:
        """Save the state of every network that is between two steps."""
        for learner in self.learners:
            if self._active(learner) and not learner.busy and learner.step != learner.saved_step:
                with self._setting_aside(learner):
                    saving.save_state(learner)
        self.last_saved = time.monotonic()

    def _active(self, learner: Learner) -> bool:
        return learner.started and learner not in self.diverged

    @contextlib.contextmanager
    def _setting_aside(self, learner: Learner) -> Iterator[None]:
        """Record a network that diverges, and let the other networks continue."""
        try:
            yield
        except Diverged as error:
            self.diverged[learner] = error

    def _start_learners(self) -> None:
        """Start every network that can start; with `start` = "neighbour" a network waits for its neighbour."""
        recipe = self.job.recipe
        for learner in self.learners:
            if learner.started:
                continue
            state = None
            index = recipe.neighbour(learner.index) if recipe.start == "neighbour" and not recipe.variable else None
            if index is not None:
                neighbour = self.learners[index]
                head_start = max(1, round(recipe.head_start * neighbour.steps))
                if neighbour.step < head_start:
                    continue
                if neighbour.step > head_start:
                    raise TrainingError(
                        f"{learner.state_file} is missing, and so are the weights it started from: choose another --out"
                    )
                neighbour.synchronise()
                ratio = recipe.lambdas[learner.index] / recipe.lambdas[index]
                state = rescaled(neighbour.network.state_dict(), recipe.architecture, ratio)
            with self._setting_aside(learner):
                learner.start(state)
                # Saved before the neighbour's next state, so that this network is on disk if its neighbour is past the
                # head start.
                saving.save_state(learner)

    def _record(self, learner: Learner) -> None:
        """Log, validate and save when due, unless it was done before the training was killed."""
        recipe = self.job.recipe
        is_last = learner.step == learner.steps
        if learner.count and (is_last or learner.step % recipe.log_every == 0):
            self.note = learner.log(self.seconds)
        if learner.published < learner.step and (is_last or learner.step % recipe.save_every == 0):
            summary = saving.publish(learner, self.seconds)
            self.note += f", validation {summary}" if summary else ""
            logs.draw(self.job.out, recipe.name)
