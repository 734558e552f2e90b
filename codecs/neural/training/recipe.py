"""Training recipes: the TOML files with everything that decides what a network learns; they are checked and hashed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import tomllib
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from ...names import did_you_mean
from ..architectures import ARCHITECTURES, HIGH, LOW

FOLDER = Path(__file__).parent / "recipes"
CHOICES = {
    "loss": ("mse", "ms-ssim"),
    "precision": ("float32", "bfloat16"),
    "start": ("scratch", "neighbour", "checkpoint"),
    "optimizer": ("adam", "soap"),
    "schedule": ("drops", "cosine"),
    "rates": ("absolute", "relative"),
    "initial": ("random", "principal"),
}
"""The allowed values of the keys that take one of a few words."""
PRUNED_BY = ("magnitude", "lamp")
GAINS = 8  # the number of gains of CompressAI's gain-based networks
SMALLEST_MS_SSIM_CROP = 176  # five scales of an 11x11 window need more than 160 pixels

# These keys decide how a training is observed, not what it learns, so they may change when it resumes.
_OBSERVATION = ("about", "save_every", "keep_seconds", "validation_images")

Table = TypeVar("Table", "Recipe", "Pruning")


class TrainingError(ValueError):
    """A training cannot start; the message says what was expected."""


class Diverged(RuntimeError):
    """The loss of a training is no longer finite; the message says at which step, and what is kept."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """Gradual pruning to `sparsity`, between the fractions `begin` and `end` of the steps, every `every` steps.

    `by` is "magnitude", which prunes the smallest weights of all tensors, or "lamp", which compares each weight with
    the larger weights of its own tensor and therefore suits tensors of very different scale.
    """

    sparsity: float
    by: str = "magnitude"
    begin: float = 0.0
    end: float = 0.6
    every: int = 50


@dataclass(frozen=True, slots=True)
class Recipe:
    """The training of networks of one architecture: one network for each of `lambdas`, or one network for all of them.

    Loss: lambda * 255^2 * MSE + bpp, or with `loss` = "ms-ssim" lambda * (1 - MS-SSIM) + bpp. A network for all rates
    weights the loss at each lambda by lambda^-`balance`. A gain-based network spends the fraction `stage_one` of the
    steps at its highest rate only.

    Learning rate: `optimizer` is "adam" or "soap" (Vyas et al. 2024, fewer and longer steps). Its learning rate rises
    during the first `warm_up` steps. With `schedule` = "drops", it then falls tenfold at each of the fractions `drops`
    of the steps; with "cosine", it falls to 0 along half a cosine. It is multiplied by `gdn_rate` for the parameters of
    GDN, because the inverse GDN explodes if they grow too fast, and by `prior_rate` for the entropy bottleneck and the
    hyper-transforms. With `rates` = "relative", it is proportional to the size of the weights (see `optimizers`).

    Start: `initial` weights are "random", or "principal", the principal components of the photographs (factorized and
    scale hyperpriors only). With `start` = "neighbour", a network starts from the weights of its neighbour: of the
    networks before it, the one with the nearest lambda. It waits until the neighbour has taken the fraction
    `head_start` of its steps, and rescales the weights to its own lambda (see `rescaling`). It then takes
    `neighbour_steps` steps (0: `steps`) at `neighbour_rate` times the square root of the first lambda over its own (0:
    at `learning_rate`). With `start` = "checkpoint", it starts from the weights in a file; a conditional network can
    start from those of a scale hyperprior.

    Saves: every `save_every` steps, the network is validated and its checkpoint is written. Every `keep_seconds`, the
    state to resume from is written. `precision` = "bfloat16" applies to the transforms only, on CUDA devices and on
    processors that compute in bfloat16 (AVX-512 BF16, AMX).
    """

    name: str
    architecture: str
    N: int
    M: int
    lambdas: tuple[float, ...]
    steps: int
    about: str = ""
    loss: str = "mse"
    neighbour_steps: int = 0
    neighbour_rate: float = 0.0
    batch: int = 8
    crop: int = 256
    optimizer: str = "adam"
    learning_rate: float = 1e-4
    aux_learning_rate: float = 1e-3
    gdn_rate: float = 1.0
    prior_rate: float = 1.0
    rates: str = "absolute"
    clip: float = 1.0
    warm_up: int = 0
    schedule: str = "drops"
    drops: tuple[float, ...] = (0.8, 0.95)
    seed: int = 1
    initial: str = "random"
    start: str = "scratch"
    head_start: float = 1.0
    stage_one: float = 0.3
    balance: float = 1.0
    precision: str = "float32"
    log_every: int = 100
    save_every: int = 5000
    keep_seconds: float = 60.0
    validation_images: int = 8
    pruning: Pruning | None = None

    @property
    def variable(self) -> bool:
        """Whether one network serves all rates."""
        kind = ARCHITECTURES[self.architecture]
        return kind.gain or kind.conditional

    @property
    def stems(self) -> dict[str, float | None]:
        """The stem of each network's files, with the network's lambda; None for a network that serves all rates."""
        return {self.name: None} if self.variable else {f"l{lam:g}": lam for lam in self.lambdas}

    @property
    def config(self) -> dict[str, int]:
        """The constructor arguments of the network."""
        return {"N": self.N} if self.architecture.startswith("cheng2020") else {"N": self.N, "M": self.M}

    def neighbour(self, index: int) -> int | None:
        """Return the index of the nearest of the lambdas before the one at `index`, None for the first."""
        target = math.log(self.lambdas[index])
        return min(range(index), key=lambda other: abs(math.log(self.lambdas[other]) - target), default=None)

    def steps_of(self, index: int) -> int:
        """Return the number of steps of the network for the lambda at `index`."""
        return self.neighbour_steps if index and self.start == "neighbour" and self.neighbour_steps else self.steps

    def rate_at(self, step: int, index: int = 0) -> float:
        """Return the learning rate, after `step` steps, of the network for the lambda at `index`."""
        steps = self.steps_of(index)
        peak = self.learning_rate
        if index and self.start == "neighbour" and self.neighbour_rate:
            # Gradient noise adds an error to the images that grows with the square of the learning rate. Lambda weights
            # this error in the loss, so the rate falls with the root of lambda.
            peak = self.neighbour_rate * math.sqrt(self.lambdas[0] / self.lambdas[index])
        warmth = min(1.0, (step + 1) / self.warm_up) if self.warm_up else 1.0
        if self.schedule == "cosine":
            return warmth * peak * (1 + math.cos(math.pi * step / steps)) / 2
        return float(warmth * peak * 0.1 ** sum(step >= round(drop * steps) for drop in self.drops))

    def digest(self) -> str:
        """Return the sha256 of everything that decides what the network learns."""
        facts = {key: value for key, value in dataclasses.asdict(self).items() if key not in _OBSERVATION}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def names() -> list[str]:
    """Return the names of the packaged recipes."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find(name: str) -> Recipe:
    """Return the packaged recipe of this name, or the recipe in a .toml file; raise TrainingError."""
    if name.endswith(".toml"):
        return read(Path(name))
    known = names()
    if name not in known:
        hint = did_you_mean(name, known)
        raise TrainingError(f"unknown recipe {name!r}: expected a .toml file or one of {', '.join(known)}{hint}")
    return read(FOLDER / f"{name}.toml")


def read(path: Path) -> Recipe:
    """Return the recipe in a TOML file, named after the file; raise TrainingError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} is not TOML: {error}") from error
    try:
        if "name" in table:
            raise TrainingError("a recipe is named after its file: leave out 'name'")
        return _parsed(Recipe, {"name": path.stem, **table})
    except TrainingError as error:
        raise TrainingError(f"{path.name}: {error}") from None


def changed(recipe: Recipe, settings: Mapping[str, str]) -> Recipe:
    """Return a recipe with some keys set to TOML values, e.g. {"pruning.sparsity": "0.8"}; raise TrainingError.

    >>> recipe = Recipe("r", "bmshj2018-factorized", 32, 48, (0.01,), 3000)
    >>> changed(recipe, {"crop": "64", "lambdas": "[0.01, 0.02]"}).lambdas
    (0.01, 0.02)
    """
    table: dict[str, Any] = {key: value for key, value in dataclasses.asdict(recipe).items() if value is not None}
    for name, text in settings.items():
        parent, dot, key = name.rpartition(".")
        if dot and parent != "pruning":
            raise TrainingError(f"unknown key {name!r}: {_expected(name, _keys(Recipe))}")
        if name == "name":
            raise TrainingError("a recipe is named after its file: 'name' cannot be set")
        target = table.setdefault("pruning", {}) if dot else table
        if not isinstance(target, dict):
            raise TrainingError(f"pruning = {target!r}: expected a table")
        target[key] = _value(text)
    return _parsed(Recipe, table)


def as_toml(recipe: Recipe) -> str:
    """Return the recipe as the text of a TOML file that `read` can read."""

    def lines(facts: Mapping[str, Any]) -> list[str]:
        # JSON and TOML write strings, numbers, booleans and lists the same way.
        return [f"{key} = {json.dumps(value)}" for key, value in facts.items() if value is not None]

    facts = dataclasses.asdict(recipe)
    del facts["name"]
    pruning = facts.pop("pruning")
    return "\n".join([*lines(facts), *(["", "[pruning]", *lines(pruning)] if pruning else []), ""])


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word is a string, so that it needs no TOML quotes inside those of the shell


def _parsed(kind: type[Table], table: Mapping[str, Any]) -> Table:
    """Return the dataclass that a table describes; raise TrainingError for an unknown key or a wrong value."""
    keys = _keys(kind)
    facts = {}
    for key, value in table.items():
        if key not in keys:
            raise TrainingError(f"unknown key {key!r}: {_expected(key, keys)}")
        facts[key] = _typed(key, value, keys[key])
    for field in dataclasses.fields(kind):
        if field.default is dataclasses.MISSING and field.name not in facts:
            raise TrainingError(f"the key {field.name!r} is missing")
    parsed = kind(**facts)
    for key, expected, holds in _conditions(parsed):
        if not holds:
            raise TrainingError(f"{key} = {json.dumps(getattr(parsed, key))}: expected {expected}")
    return parsed


def _keys(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _expected(key: str, keys: Mapping[str, Any]) -> str:
    known = [name for name in keys if name != "name"]
    return f"expected some of {', '.join(known)}{did_you_mean(key, known)}"


def _typed(key: str, value: Any, kind: Any) -> Any:
    if isinstance(kind, types.UnionType):
        (kind,) = (part for part in get_args(kind) if part is not types.NoneType)
    if kind is Pruning and isinstance(value, dict):
        return _parsed(Pruning, value)
    if get_args(kind) and isinstance(value, list | tuple):
        return tuple(_typed(key, item, get_args(kind)[0]) for item in value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is float and (whole or isinstance(value, float)):
        return float(value)
    if (kind is int and whole) or (kind is str and isinstance(value, str)):
        return value
    words = {float: "a number", int: "a whole number", str: "a string", Pruning: "a table"}
    raise TrainingError(f"{key} = {value!r}: expected {words.get(kind, 'a list of numbers')}")


def _conditions(parsed: Recipe | Pruning) -> list[tuple[str, str, bool]]:
    """Return (key, expected value in words, whether the value is valid), in the order of the checks."""
    if isinstance(parsed, Pruning):
        return [
            ("by", f"one of {', '.join(PRUNED_BY)}", parsed.by in PRUNED_BY),
            ("sparsity", "more than 0 and less than 1", 0 < parsed.sparsity < 1),
            ("begin", "a fraction of the steps, from 0", 0 <= parsed.begin < 1),
            ("end", "a fraction of the steps, more than begin and at most 1", parsed.begin < parsed.end <= 1),
            ("every", "1 or more", parsed.every >= 1),
        ]
    kind = ARCHITECTURES.get(parsed.architecture)
    if kind is None:
        return [("architecture", f"one of {', '.join(ARCHITECTURES)}", False)]
    smallest = SMALLEST_MS_SSIM_CROP if parsed.loss == "ms-ssim" else 64
    in_range = all(LOW <= lam <= HIGH for lam in parsed.lambdas)
    mse_only = "mse, which the lambda range of a conditional network is made for"
    rates = ("learning_rate", "aux_learning_rate", "gdn_rate", "prior_rate", "clip")
    positive = ("N", "M", "steps", "batch", *rates, "log_every", "save_every")
    counts = ("warm_up", "neighbour_steps", "seed", "keep_seconds", "validation_images")
    return [
        *((key, "more than 0", _positive(getattr(parsed, key))) for key in positive),
        ("lambdas", "one or more numbers above 0", bool(parsed.lambdas) and all(map(_positive, parsed.lambdas))),
        ("lambdas", f"numbers from {LOW:g} to {HIGH:g}", not kind.conditional or in_range),
        ("lambdas", "distinct numbers", len({f"{lam:g}" for lam in parsed.lambdas}) == len(parsed.lambdas)),
        ("lambdas", f"{GAINS} numbers, one for each gain", not kind.gain or len(parsed.lambdas) == GAINS),
        *((key, f"one of {', '.join(words)}", getattr(parsed, key) in words) for key, words in CHOICES.items()),
        ("loss", mse_only, parsed.loss == "mse" or not kind.conditional),
        ("initial", f"random for {parsed.architecture}", parsed.initial == "random" or kind.principal),
        ("crop", f"a multiple of 16, at least {smallest}", parsed.crop % 16 == 0 and parsed.crop >= smallest),
        ("drops", "rising fractions of the steps", _rising(parsed.drops)),
        ("head_start", "a fraction of the steps, more than 0", 0 < parsed.head_start <= 1),
        ("stage_one", "a fraction of the steps", 0 <= parsed.stage_one <= 1),
        ("balance", "from 0 to 1", 0 <= parsed.balance <= 1),
        *((key, "0 or more", getattr(parsed, key) >= 0) for key in counts),
        ("neighbour_rate", "0 or more", 0 <= parsed.neighbour_rate < math.inf),
    ]


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _rising(drops: tuple[float, ...]) -> bool:
    return all(0 < drop <= 1 for drop in drops) and list(drops) == sorted(drops)
