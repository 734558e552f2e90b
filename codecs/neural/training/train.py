"""Training: a network for each lambda of a recipe, or one for all; killed at any instant, it goes on as if it had not.

Every step draws its crops, lambdas and noise from a generator seeded by (seed, place of the network, step). So a step
is the same whether it follows the one before or a restart, and whichever other networks are trained beside it. On a
CPU the numbers are the same to the last bit, with the same count of threads; a CUDA device adds up in any order.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import math
import pickle
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import nn

from ...protocol import CodecError, Image
from .. import checkpoint
from ..architectures import ARCHITECTURES, HIGH, LOW
from ..compat import compressai
from ..metadata import Metric
from ..models import construct
from . import logs, photographs, principal_components, rescaling
from .acceleration import mix, unleash
from .objective import rates, terms, weights
from .optimizers import factors, optimizer
from .photographs import Photographs, crops
from .pruning import Pruner, sparsity
from .recipe import Diverged, Recipe, TrainingError, as_toml, read
from .validation import held_out, validate, worth

Report = Callable[[int, int, str], None]
"""Told of steps done, steps in all, and what there is to say of the last ones."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a training did: its steps, those of them that an earlier call had done, its time, and its checkpoints."""

    steps: int
    before: int
    wall_s: float
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """A training that can begin: the photographs are read, the folder is ours, the device is there."""

    recipe: Recipe
    data: Photographs
    valid: tuple[Image, ...]
    begin: tuple[checkpoint.Checkpoint | None, ...]
    out: Path
    device: torch.device


def order(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    valid: Path | None = None,
    start: Path | None = None,
    device: str = "auto",
    reading: photographs.Report | None = None,
) -> Order:
    """Read what a training needs and claim its folder; raise TrainingError, with nothing written, where that fails."""
    where = choose(device)
    _constructible(recipe)
    begin = _begin(recipe, start)
    images = photographs.load(data, where, recipe.crop, reading)
    judges: tuple[Image, ...] = ()
    if valid is not None:
        watched = photographs.load(valid, torch.device("cpu"), report=reading)
        shared = sorted(set(watched.hashes) & set(images.hashes))
        if shared:
            raise TrainingError(
                f"{len(shared)} of the images of {valid} are among those of {data}: nothing is held out"
            )
        judges = held_out(recipe, watched)
    _claim(out, recipe, images, begin)
    return Order(recipe, images, judges, begin, out, where)


def choose(device: str) -> torch.device:
    """Return the device called cpu, cuda, cuda:1 or auto, which is CUDA where there is one; raise TrainingError."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", device):
        raise TrainingError(f"expected --device cpu, cuda or auto, got {device!r}")
    kind, _, number = device.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise TrainingError("there is no CUDA device here that torch can use: --device cpu, or auto")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise TrainingError(f"there is no device {device}: expected a number below {torch.cuda.device_count()}")
    return torch.device(device)


def train(job: Order, report: Report | None = None) -> Outcome:
    """Train what a job asks for, from where an earlier call was stopped; raise Diverged where a loss is no number.

    In the folder: for each lambda `l0.013.safetensors`, or `RECIPE.safetensors` for all, from the last save, and in
    `best/` those of the best save by validation; log.csv and valid.csv as `journal` has them, loss.png; in `state/`
    what it takes to go on.
    """
    began = time.perf_counter()
    cuda = [job.device] if job.device.type == "cuda" else []
    with _alone(job.out), torch.random.fork_rng(devices=cuda), _tuned():
        try:
            course = _Course(job, report or (lambda _done, _total, _note: None))
            before = course.done
            try:
                course.run()
            except KeyboardInterrupt:
                course.keep()
                raise
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"{job.device} is out of memory: a smaller batch or crop, or fewer lambdas at once, take less; the "
                f"same command goes on in {job.out} when there is more"
            ) from error
    files = tuple(lane.file for lane in course.lanes)
    return Outcome(course.done, before, time.perf_counter() - began, files)


@contextlib.contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep other processes from training in a folder meanwhile; raise TrainingError where one does."""
    try:
        with FileLock(out / "state" / "lock", timeout=0):
            yield
    except Timeout as error:
        raise TrainingError(f"another process is training in {out}: wait for it, or choose another --out") from error


@contextlib.contextmanager
def _tuned() -> Iterator[None]:
    """Let cuDNN try which of its kernels are the fastest: all crops are of one size."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


class _Lane:
    """One network on its way: its weights, its optimizers, and how far it is."""

    def __init__(self, job: Order, place: int, lam: float | None) -> None:
        self.job, self.place, self.lam = job, place, lam
        self.recipe = job.recipe
        self.steps = self.recipe.steps_of(place)
        self.stem = list(self.recipe.stems)[place]
        self.file = job.out / f"{self.stem}.safetensors"
        self.kept = job.out / "state" / f"{self.stem}.pt"
        self.begun = self.busy = False
        self.step = self.published = 0
        self.kept_step = -1
        self.best = math.inf
        self.judges = hashlib.sha256(b"".join(one.tobytes() for one in job.valid)).hexdigest()
        self.stream: Any = _stream(job.device) if job.device.type == "cuda" else None

    def begin(self, state: dict[str, torch.Tensor] | None) -> None:
        """Make the network: with given weights, with those of its checkpoint, or with random ones."""
        given = self.job.begin[self.place]
        if state is None and given is not None:
            state = dict(given.state)
        self._make(fresh=state is None)
        if state is not None:
            _fill(self.network, state)
        self._optimise()
        self.settle()
        self.begun = True

    def resume(self) -> None:
        """Make the network as it was when it was last kept; raise TrainingError where that cannot be read."""
        try:
            # By way of the CPU, where Adam counts its steps: counted on a device they would be waited for.
            told = torch.load(self.kept, map_location="cpu", weights_only=True)
            self._make(fresh=False)
            self.network.load_state_dict(told["network"])
            self._optimise(told["factors"])
            self.optimizer.load_state_dict(told["optimizer"])
            self.aux_optimizer.load_state_dict(told["aux_optimizer"])
            self.step, self.published, self.count = told["step"], told["published"], told["count"]
            # What other images found to be the best is no measure for these.
            self.best = told["best"] if told["judges"] == self.judges else math.inf
            self.sums.copy_(told["sums"])
            if self.pruner:
                self.pruner.masks = [mask.to(self.job.device) for mask in told["masks"]]
        except torch.OutOfMemoryError:
            raise
        except (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise TrainingError(f"{self.kept} is damaged ({type(error).__name__}): choose another --out") from error
        self.kept_step = self.step
        self.settle()
        self.begun = True

    def _make(self, *, fresh: bool) -> None:
        recipe = self.recipe
        torch.manual_seed(_seed(recipe.seed, self.place, 2**32 - 1))
        self.network = construct(recipe.architecture, recipe.config).to(self.job.device).train()
        if fresh and recipe.initial == "principal":
            count = max(1, principal_components.PIXELS // recipe.crop**2)
            images = crops(self.job.data, count, recipe.crop, np.random.default_rng([recipe.seed, self.place]))
            principal_components.begin(self.network, images, self.lam or math.sqrt(LOW * HIGH))
        if self.job.device.type == "cuda":
            unleash(self.network)
        elif recipe.precision == "bfloat16":
            # As oneDNN wants images in bfloat16: a step takes half of what it does in float32.
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if recipe.precision == "bfloat16":
            mix(self.network, self.job.device.type)
        named = dict(self.network.named_parameters())
        self.weights = [value for name, value in named.items() if not name.endswith(".quantiles")]
        quantiles = [value for name, value in named.items() if name.endswith(".quantiles")]
        self.aux_optimizer = torch.optim.Adam(quantiles, lr=recipe.aux_learning_rate)
        self.pruner = Pruner(self.network, recipe.pruning, self.steps) if recipe.pruning else None
        self.rates = rates(recipe, self.lam)
        self.sums = torch.zeros(5, dtype=torch.float64, device=self.job.device)
        self.count = 0

    def _optimise(self, kept: dict[str, torch.Tensor] | None = None) -> None:
        """Make the optimizer of the weights, with given factors or with those of the weights as they are."""
        recipe = self.recipe
        weights = {name: one for name, one in self.network.named_parameters() if not name.endswith(".quantiles")}
        relative = recipe.rates == "relative"
        self.factors = kept or factors(self.network, relative=relative, gdn=recipe.gdn_rate, prior=recipe.prior_rate)
        self.optimizer = optimizer(recipe.optimizer, weights, self.factors, recipe.learning_rate)

    def advance(self) -> None:
        """Take one step; on a CUDA device ask for it, and do not wait."""
        self.busy = True
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, self.place, self.step])
        torch.manual_seed(int(rng.integers(2**63)))
        with self._in_turn():
            x = crops(self.job.data, recipe.batch, recipe.crop, rng)
            for group in self.optimizer.param_groups:
                group["lr"] = recipe.rate_at(self.step, self.place)
            self.optimizer.zero_grad()
            self.aux_optimizer.zero_grad()
            through = self.step / self.steps
            output, lam = self.rates.forward(self.network, x, rng, through)
            cost = terms(output, x, lam, recipe.loss, weights(recipe, lam))
            aux = _aux_loss(self.network)
            # One way back serves both: quantiles get their gradient from `aux` alone, all others theirs from the loss.
            loss: Any = cost.loss + aux
            loss.backward()
            if self.pruner:
                self.pruner.before()
            nn.utils.clip_grad_norm_(self.weights, recipe.clip)
            self.optimizer.step()
            self.aux_optimizer.step()
            self.step += 1
            if self.pruner:
                self.pruner.after(self.step)
            parts = (cost.loss.detach(), cost.bpp, cost.mse, cost.ms_ssim, aux.detach())
            self.sums += torch.stack([part.double() for part in parts])
            self.count += 1
        self.busy = False

    def _in_turn(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which the device takes this network's work in order, beside that of the others."""
        return torch.cuda.stream(self.stream) if self.stream else contextlib.nullcontext()

    def settle(self) -> None:
        """Wait until the device has done all that it was asked for."""
        if self.stream:
            torch.cuda.synchronize(self.job.device)

    def means(self) -> dict[str, float]:
        """Return the means since the last row of the log; raise Diverged where the loss is no number."""
        self.settle()
        loss, bpp, mse, similar, aux = (float(one) / max(self.count, 1) for one in self.sums)
        if not (math.isfinite(loss) and math.isfinite(aux)):
            raise Diverged(
                f"the loss of {self.stem} is no longer a number after step {self.step}: stopped, and what was kept "
                f"before remains in {self.job.out}; a lower learning_rate or clip may help"
            )
        psnr = 10 * math.log10(255**2 / mse) if mse else math.nan
        return {"loss": loss, "bpp": bpp, "mse": mse, "psnr": psnr, "ms_ssim": similar, "aux": aux}

    def log(self, seconds: float) -> str:
        """Add a row to the log, and return what it says in few words."""
        means = self.means()
        row = {
            "step": self.step,
            "lambda": math.nan if self.lam is None else self.lam,
            **means,
            "lr": self.recipe.rate_at(self.step - 1, self.place),
            "sparsity": sparsity(self.network) if self.pruner else 0.0,
            "seconds": round(seconds, 2),
        }
        logs.append(self.job.out / "log.csv", logs.TRAINED, [row])
        with self._in_turn():
            self.sums.zero_()
        self.count = 0
        return f"{self.stem} loss {means['loss']:.3f} {means['bpp']:.3f} bpp {means['psnr']:.2f} dB"

    def keep(self) -> None:
        """Keep all it takes to go on from this step; raise Diverged rather than keep what is no number."""
        if self.count:
            self.means()
        self.settle()
        if not all(bool(torch.isfinite(value).all()) for value in self.network.parameters()):
            raise Diverged(f"the weights of {self.stem} are no longer numbers after step {self.step}: stopped")
        told = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "factors": self.factors,
            "aux_optimizer": self.aux_optimizer.state_dict(),
            "step": self.step,
            "published": self.published,
            "best": self.best,
            "judges": self.judges,
            "sums": self.sums,
            "count": self.count,
            "masks": self.pruner.masks if self.pruner else [],
        }
        temporary = self.kept.with_name(f".{self.kept.name}")
        torch.save(told, temporary)
        temporary.replace(self.kept)
        self.kept_step = self.step

    def publish(self, seconds: float) -> str:
        """Validate, write the checkpoint, keep the better one apart; return what validation says in few words.

        Until all that is done, what is kept says that it is not, so that a training killed meanwhile does it again.
        """
        self.keep()
        said = self._published(seconds)
        self.published = self.step
        self.keep()
        return said

    def _published(self, seconds: float) -> str:
        recipe, job = self.recipe, self.job
        state = _exported(recipe, self.network)
        about, metric = self._about(seconds), _metric(recipe)
        checkpoint.save(self.file, recipe.architecture, recipe.config, self.lam, metric, state, about)
        if not job.valid:
            return ""
        try:
            scores = validate(recipe, state, self.lam, job.valid, job.device)
        except CodecError as error:
            raise Diverged(f"{self.stem} cannot code the validation images after step {self.step}: {error}") from error
        rows = [
            {
                "step": self.step,
                "lambda": one.lam,
                "bpp_real": one.bpp_real,
                "psnr": one.psnr,
                "bpp_est": one.bpp_est,
                "loss": one.loss,
            }
            for one in scores
        ]
        logs.append(job.out / "valid.csv", logs.VALIDATED, rows)
        pruned = recipe.pruning is None or self.step >= round(recipe.pruning.end * self.steps)
        if pruned and worth(scores) < self.best:
            self.best = worth(scores)
            better = job.out / "best" / self.file.name
            checkpoint.save(better, recipe.architecture, recipe.config, self.lam, metric, state, about)
        return ", ".join(f"{one.bpp_real:.3f} bpp {one.psnr:.2f} dB" for one in scores[:1])

    def _about(self, seconds: float) -> dict[str, str]:
        versions = {name: importlib.metadata.version(name) for name in ("codecshift", "torch", "compressai")}
        return {
            "recipe": self.recipe.name,
            "recipe_sha256": self.recipe.digest(),
            "data_sha256": self.job.data.digest,
            "images": str(len(self.job.data)),
            "steps": str(self.step),
            "seconds": f"{seconds:.0f}",
            "device": torch.cuda.get_device_name(self.job.device) if self.stream else "cpu",
            **({"sparsity": f"{sparsity(self.network):.6f}"} if self.pruner else {}),
            **{f"version_{name}": version for name, version in versions.items()},
        }


class _Course:
    """All networks of a job, and which of them takes the next step."""

    def __init__(self, job: Order, report: Report) -> None:
        self.job, self.report, self.note = job, report, ""
        self.diverged: dict[_Lane, Diverged] = {}
        recipe = job.recipe
        self.lanes = [_Lane(job, place, lam) for place, lam in enumerate(recipe.stems.values())]
        for lane in self.lanes:
            if lane.kept.exists():
                lane.resume()
        # Sums that are kept are those of steps that no row tells of yet.
        self._forget("log.csv", [lane.step - bool(lane.step and lane.count) for lane in self.lanes])
        self._forget("valid.csv", [lane.published for lane in self.lanes])
        self.spent = max((row["seconds"] for row in logs.read(job.out / "log.csv")), default=0.0)
        self.started = self.last_kept = time.monotonic()

    def _forget(self, name: str, done: Sequence[int]) -> None:
        """Drop the rows of a log that come after the steps that each network has done."""
        recipe = self.job.recipe
        steps = {f"{lane.lam:.6g}": step for lane, step in zip(self.lanes, done, strict=True) if lane.lam is not None}
        if recipe.variable:
            # Every lambda of the log is its own.
            steps = dict.fromkeys(["", *(f"{lam:.6g}" for lam in recipe.lambdas)], done[0])
        logs.forget(self.job.out / name, steps)

    @property
    def done(self) -> int:
        """Steps done, of all networks."""
        return sum(lane.step for lane in self.lanes)

    @property
    def seconds(self) -> float:
        """Seconds that this training has taken, those before a restart included."""
        return self.spent + time.monotonic() - self.started

    def run(self) -> None:
        """Take every step that is left; raise Diverged when all others are done where the loss of one is no number."""
        total = sum(lane.steps for lane in self.lanes)
        self._begin()
        for lane in self.lanes:
            if lane.begun and lane.step:
                with self._aside(lane):
                    self._record(lane)
        while ready := [lane for lane in self.lanes if lane.begun and lane.step < lane.steps and self._sound(lane)]:
            # On a CUDA device networks take turns, each on a stream of its own; a CPU has nothing to gain from that.
            for lane in ready if self.job.device.type == "cuda" else ready[:1]:
                with self._aside(lane):
                    lane.advance()
                    self._after(lane)
                self.report(self.done, total, self.note)
        if self.diverged:
            raise Diverged("; ".join(str(error) for error in self.diverged.values()))

    def keep(self) -> None:
        """Keep every network that is between two steps."""
        for lane in self.lanes:
            if lane.begun and not lane.busy and lane.step != lane.kept_step and self._sound(lane):
                with self._aside(lane):
                    lane.keep()
        self.last_kept = time.monotonic()

    @contextlib.contextmanager
    def _aside(self, lane: _Lane) -> Iterator[None]:
        """Leave a network aside whose loss is no number: the others go on."""
        try:
            yield
        except Diverged as error:
            self.diverged[lane] = error

    def _sound(self, lane: _Lane) -> bool:
        return lane not in self.diverged

    def _begin(self) -> None:
        """Begin the networks whose turn it is: a neighbour's weights must have come far enough."""
        recipe = self.job.recipe
        for lane in self.lanes:
            if lane.begun:
                continue
            state = None
            place = recipe.neighbour(lane.place) if recipe.start == "neighbour" and not recipe.variable else None
            if place is not None:
                before = self.lanes[place]
                head = max(1, round(recipe.head_start * before.steps))
                if before.step < head:
                    continue
                if before.step > head:
                    raise TrainingError(f"{lane.kept} is missing: it began with weights that are no longer there")
                before.settle()
                ratio = recipe.lambdas[lane.place] / recipe.lambdas[place]
                state = rescaling.rescaled(before.network.state_dict(), recipe.architecture, ratio)
            with self._aside(lane):
                lane.begin(state)
                # Before its neighbour is kept again: one that is past the handing over has a successor on disk.
                lane.keep()

    def _after(self, lane: _Lane) -> None:
        self._begin()
        self._record(lane)
        if time.monotonic() - self.last_kept >= self.job.recipe.keep_seconds:
            self.keep()

    def _record(self, lane: _Lane) -> None:
        """Log, validate and save what this step is to, as far as it was not done before a kill."""
        recipe = self.job.recipe
        last = lane.step == lane.steps
        if lane.count and (last or lane.step % recipe.log_every == 0):
            self.note = lane.log(self.seconds)
        if lane.published < lane.step and (last or lane.step % recipe.save_every == 0):
            found = lane.publish(self.seconds)
            self.note += f", validation {found}" if found else ""
            logs.draw(self.job.out, recipe.name)


def _stream(device: torch.device) -> Any:
    make: Any = torch.cuda.Stream  # torch leaves it untyped
    return make(device)


def _metric(recipe: Recipe) -> Metric:
    return "ms-ssim" if recipe.loss == "ms-ssim" else "mse"


def _aux_loss(network: Any) -> torch.Tensor:
    loss: torch.Tensor = network.aux_loss()
    return loss


def _seed(*numbers: int) -> int:
    return int(np.random.default_rng(numbers).integers(2**63))


def _constructible(recipe: Recipe) -> None:
    try:
        with torch.random.fork_rng(devices=[]):
            construct(recipe.architecture, recipe.config)
    except ValueError as error:
        raise TrainingError(str(error)) from error


def _fill(network: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Give a network weights, but for the entropy coder's tables, which belong to the weights that made them."""
    own = network.state_dict()
    for name, value in own.items():
        if name in state and state[name].shape == value.shape:
            value.copy_(state[name])


@torch.no_grad()
def _exported(recipe: Recipe, network: nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of the weights on the CPU, with the quantiles of the entropy bottlenecks found by bisection.

    The auxiliary loss brings them near; a table that is cut off too early costs bits, and one too wide costs time.
    """
    copy = construct(recipe.architecture, recipe.config)
    _fill(copy, {name: value.cpu() for name, value in network.state_dict().items()})
    bottleneck = compressai("entropy_models").EntropyBottleneck
    for module in copy.modules():
        if isinstance(module, bottleneck):
            module.update(force=True, update_quantiles=True)
    return copy.state_dict()


def _begin(recipe: Recipe, start: Path | None) -> tuple[checkpoint.Checkpoint | None, ...]:
    """Return the checkpoint that each network begins with; raise TrainingError."""
    if (start is None) != (recipe.start != "checkpoint"):
        raise TrainingError(
            f"recipe {recipe.name!r} begins with trained weights: expected --start FILE.safetensors, or their folder"
            if start is None
            else f"--start is for recipes with start = 'checkpoint', got {recipe.start!r}: --set start=checkpoint"
        )
    if start is None:
        return (None,) * len(recipe.stems)
    found = []
    for stem in recipe.stems:
        path = start / f"{stem}.safetensors" if start.is_dir() else start
        if not path.is_file():
            raise TrainingError(f"there is no file {path} to begin with")
        try:
            one = checkpoint.read(path)
        except checkpoint.BadCheckpoint as error:
            raise TrainingError(str(error)) from error
        given = ARCHITECTURES[recipe.architecture].conditional and one.architecture == "bmshj2018-hyperprior"
        if (one.architecture != recipe.architecture and not given) or dict(one.config) != recipe.config:
            raise TrainingError(
                f"{path} holds {one.architecture} of {dict(one.config)}: expected {recipe.architecture} of "
                f"{recipe.config}"
            )
        found.append(replace(one, state=rescaling.conditioned(one.state, one.lam)) if given else one)
    return tuple(found)


def _claim(out: Path, recipe: Recipe, data: Photographs, begin: Sequence[checkpoint.Checkpoint | None]) -> None:
    """Make the folder of a training, or find it as this very training left it; raise TrainingError."""
    told = {
        "recipe": recipe.name,
        "recipe_sha256": recipe.digest(),
        "data_sha256": data.digest,
        # Crops are drawn by place: under other names the same images would be other crops.
        "order_sha256": hashlib.sha256("".join(data.hashes).encode()).hexdigest(),
        "begin_sha256": [one.digest if one else "" for one in begin],
    }
    note = out / "training.json"
    if note.is_file():
        try:
            found = json.loads(note.read_text(encoding="utf-8"))
        except ValueError as error:
            raise TrainingError(f"{note} is damaged: expected JSON; choose another --out") from error
        if found != told:
            raise TrainingError(
                f"{out} holds another training ({_difference(out, recipe, found, told)}); choose another --out"
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TrainingError(f"{out} holds something else than a training: choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    if not note.is_file():
        note.write_text(json.dumps(told, indent=1), encoding="utf-8")
    (out / "recipe.toml").write_text(as_toml(recipe), encoding="utf-8")
    (out / "state").mkdir(exist_ok=True)


def _difference(out: Path, recipe: Recipe, found: dict[str, Any], told: dict[str, Any]) -> str:
    """Say in few words what is different there."""
    if found.get("recipe") != told["recipe"]:
        return f"of recipe {found.get('recipe')!r}"
    if found.get("recipe_sha256") == told["recipe_sha256"]:
        if found.get("data_sha256") != told["data_sha256"]:
            return "of other images"
        renamed = found.get("order_sha256") != told["order_sha256"]
        return "of these images under other names" if renamed else "from other weights"
    try:
        theirs = read(out / "recipe.toml")
    except TrainingError:
        return "of other settings"
    return ", ".join(_differing(theirs, recipe)) or "of other settings"


def _differing(theirs: Recipe, ours: Recipe) -> Iterator[str]:
    for key in Recipe.__dataclass_fields__:
        there, here = getattr(theirs, key), getattr(ours, key)
        if there != here and key not in {"name", "about"}:
            yield f"{key} = {there} there, {here} here"
