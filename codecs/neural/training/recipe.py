"""Training recipes: all that decides what a network learns, read from TOML, checked, and known by a digest."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
import tomllib
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from ..architectures import ARCHITECTURES, HIGH, LOW

FOLDER = Path(__file__).parent / "recipes"
LOSSES = ("mse", "ms-ssim")
PRECISIONS = ("float32", "bfloat16")
OPTIMIZERS = ("adam", "soap")
SCHEDULES = ("drops", "cosine")
RATES = ("absolute", "relative")
PRUNED_BY = ("magnitude", "lamp")
INITIALS = ("random", "principal")
STARTS = ("scratch", "neighbour", "checkpoint")
GAINS = 8  # of CompressAI's gain-based networks
SMALLEST_MS_SSIM_CROP = 176  # five scales of an 11x11 window want more than 160 pixels

# What decides how training is watched, and not what is learnt: it may change when a training goes on.
_WATCHING = ("about", "save_every", "keep_seconds", "validation_images")


Made = TypeVar("Made", "Recipe", "Pruning")


class TrainingError(ValueError):
    """A training that cannot begin as asked; the message says what was expected."""


class Diverged(RuntimeError):
    """A training whose loss is no longer a number; the message says where, and what is kept."""


@dataclass(frozen=True, slots=True)
class Pruning:
    """Gradual pruning to `sparsity`, from fraction `begin` of the steps to `end`, every `every` steps.

    The weights that go are the smallest of all with `by` = "magnitude", or "lamp", the smallest beside the larger ones
    of their tensor, where tensors have weights of very different size.
    """

    sparsity: float
    by: str = "magnitude"
    begin: float = 0.0
    end: float = 0.6
    every: int = 50


@dataclass(frozen=True, slots=True)
class Recipe:
    """How networks of one architecture are trained, one for each of `lambdas`, or one for all where it takes any.

    The loss is lambda * 255^2 * MSE + bpp, or with `loss` = "ms-ssim" lambda * (1 - MS-SSIM) + bpp. The learning rate
    of `optimizer` ("adam", or "soap" of Vyas et al. 2024, which takes fewer and longer steps) rises for the first
    `warm_up` steps; with `schedule` "drops" it falls tenfold at each of the fractions `drops` of the steps, with
    "cosine" along half a cosine to 0. It is `gdn_rate` times as high for GDN's parameters, whose inverse explodes where
    they grow too fast, and `prior_rate` times for the entropy bottleneck and the hyper-transforms; with `rates`
    "relative" it is in proportion to the weights (`relative`). Weights that nothing else gives are `initial`: "random",
    or "principal", the principal components of the photographs (of factorized and scale hyperpriors). With `start` =
    "neighbour" each network begins with the weights, made to suit its lambda (`carry`), that the one of the nearest
    lambda before it had after the fraction `head_start` of its steps, and takes `neighbour_steps` (0: `steps`) at
    `neighbour_rate` times the root of the first lambda over its own (0: at `learning_rate`); with "checkpoint" it
    begins with those of a file, a conditional network also with a scale hyperprior's. `stage_one` is the fraction of
    the steps that a gain-based network spends at its highest rate alone. A network for all rates weighs the loss at a
    lambda by lambda^-`balance`. A save, every `save_every` steps, validates and writes the checkpoint; every
    `keep_seconds` what is needed to go on is kept. `precision` bfloat16 is of the transforms alone: for CUDA devices,
    and for processors that compute in it (AVX-512 BF16, AMX).
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
        """Names of its networks' files before the dot, each with its lambda, None of one network for all rates."""
        return {self.name: None} if self.variable else {f"l{lam:g}": lam for lam in self.lambdas}

    @property
    def config(self) -> dict[str, int]:
        """The arguments that make the network."""
        return {"N": self.N} if self.architecture.startswith("cheng2020") else {"N": self.N, "M": self.M}

    def neighbour(self, lane: int) -> int | None:
        """Return the place of `lambdas` whose network the one at this place begins with, None for the first."""
        here = math.log(self.lambdas[lane])
        return min(range(lane), key=lambda one: abs(math.log(self.lambdas[one]) - here), default=None)

    def steps_of(self, lane: int) -> int:
        """Return the steps of the network at this place of `lambdas`."""
        return self.neighbour_steps if lane and self.start == "neighbour" and self.neighbour_steps else self.steps

    def rate_at(self, step: int, lane: int = 0) -> float:
        """Return the learning rate for the step that follows `step` finished ones, at this place of `lambdas`."""
        steps = self.steps_of(lane)
        peak = self.learning_rate
        if lane and self.start == "neighbour" and self.neighbour_rate:
            # The noise that steps leave in the images grows with their square, and counts as much as lambda.
            peak = self.neighbour_rate * math.sqrt(self.lambdas[0] / self.lambdas[lane])
        warm = min(1.0, (step + 1) / self.warm_up) if self.warm_up else 1.0
        if self.schedule == "cosine":
            return warm * peak * (1 + math.cos(math.pi * step / steps)) / 2
        return float(warm * peak * 0.1 ** sum(step >= round(drop * steps) for drop in self.drops))

    def digest(self) -> str:
        """Return the sha256 of all that decides what is learnt."""
        facts = {key: value for key, value in dataclasses.asdict(self).items() if key not in _WATCHING}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def names() -> list[str]:
    """Return the names of the recipes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find(name: str) -> Recipe:
    """Return the recipe of this name, or of a file "....toml"; raise TrainingError."""
    if name.endswith(".toml"):
        return read(Path(name))
    known = names()
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
        raise TrainingError(f"unknown recipe {name!r}: expected a file .toml or one of {', '.join(known)}{hint}")
    return read(FOLDER / f"{name}.toml")


def read(path: Path) -> Recipe:
    """Return the recipe that a TOML file holds, named after the file; raise TrainingError."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} is not TOML: {error}") from error
    try:
        if "name" in told:
            raise TrainingError("a recipe is named by its file: leave out 'name'")
        return _made(Recipe, {"name": path.stem, **told})
    except TrainingError as error:
        raise TrainingError(f"{path.name}: {error}") from None


def changed(recipe: Recipe, settings: Mapping[str, str]) -> Recipe:
    """Return a recipe with some keys changed, values being TOML, e.g. {"pruning.sparsity": "0.8"}; raise TrainingError.

    >>> recipe = Recipe("r", "bmshj2018-factorized", 32, 48, (0.01,), 3000)
    >>> changed(recipe, {"crop": "64", "lambdas": "[0.01, 0.02]"}).lambdas
    (0.01, 0.02)
    """
    told: dict[str, Any] = {key: value for key, value in dataclasses.asdict(recipe).items() if value is not None}
    for name, text in settings.items():
        table, dot, key = name.rpartition(".")
        if dot and table != "pruning":
            raise TrainingError(f"unknown key {name!r}: {_expected(name, _keys(Recipe))}")
        if name == "name":
            raise TrainingError("a recipe is named by its file: 'name' cannot be set")
        inner = told.setdefault("pruning", {}) if dot else told
        if not isinstance(inner, dict):
            raise TrainingError(f"pruning = {inner!r}: expected a table")
        inner[key] = _value(text)
    return _made(Recipe, told)


def as_toml(recipe: Recipe) -> str:
    """Return a recipe as the text of a file that reads as it."""

    def lines(facts: Mapping[str, Any]) -> list[str]:
        # JSON's strings, numbers, true and false, and lists are TOML's.
        return [f"{key} = {json.dumps(value)}" for key, value in facts.items() if value is not None]

    facts = dataclasses.asdict(recipe)
    del facts["name"]
    pruning = facts.pop("pruning")
    return "\n".join([*lines(facts), *(["", "[pruning]", *lines(pruning)] if pruning else []), ""])


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word is a string: quoting it twice, for the shell and for TOML, is nobody's joy


def _made(kind: type[Made], told: Mapping[str, Any]) -> Made:
    """Return the dataclass that a table describes, every key known and of its type; raise TrainingError."""
    keys = _keys(kind)
    facts = {}
    for key, value in told.items():
        if key not in keys:
            raise TrainingError(f"unknown key {key!r}: {_expected(key, keys)}")
        facts[key] = _typed(key, value, keys[key])
    missing = [
        one.name for one in dataclasses.fields(kind) if one.default is dataclasses.MISSING and one.name not in facts
    ]
    if missing:
        raise TrainingError(f"expected the key {missing[0]!r}")
    made = kind(**facts)
    _sound(made)
    return made


def _keys(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {one.name: hints[one.name] for one in dataclasses.fields(kind)}


def _expected(key: str, keys: Mapping[str, Any]) -> str:
    nearest = difflib.get_close_matches(key, keys, n=1)
    known = [one for one in keys if one != "name"]
    return f"expected some of {', '.join(known)}" + (f" (did you mean {nearest[0]!r}?)" if nearest else "")


def _typed(key: str, value: Any, kind: Any) -> Any:
    if isinstance(kind, types.UnionType):
        (kind,) = (one for one in get_args(kind) if one is not types.NoneType)
    if kind is Pruning and isinstance(value, dict):
        return _made(Pruning, value)
    if get_args(kind) and isinstance(value, list | tuple):
        return tuple(_typed(key, one, get_args(kind)[0]) for one in value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is float and (whole or isinstance(value, float)):
        return float(value)
    if (kind is int and whole) or (kind is str and isinstance(value, str)):
        return value
    words = {float: "a number", int: "a whole number", str: "a string", Pruning: "a table"}
    raise TrainingError(f"{key} = {value!r}: expected {words.get(kind, 'a list of numbers')}")


def _sound(made: Recipe | Pruning) -> None:
    """Raise TrainingError where a value makes no sense."""
    for key, expected, holds in _conditions(made):
        if not holds:
            raise TrainingError(f"{key} = {_shown(getattr(made, key))}: expected {expected}")


def _shown(value: Any) -> str:
    return json.dumps(value)


def _conditions(made: Recipe | Pruning) -> list[tuple[str, str, bool]]:
    if isinstance(made, Pruning):
        return [
            ("by", f"one of {', '.join(PRUNED_BY)}", made.by in PRUNED_BY),
            ("sparsity", "more than 0 and less than 1", 0 < made.sparsity < 1),
            ("begin", "a fraction of the steps, from 0", 0 <= made.begin < 1),
            ("end", "a fraction of the steps, more than begin and at most 1", made.begin < made.end <= 1),
            ("every", "1 or more", made.every >= 1),
        ]
    kind = ARCHITECTURES.get(made.architecture)
    if kind is None:
        return [("architecture", f"one of {', '.join(ARCHITECTURES)}", False)]
    smallest = SMALLEST_MS_SSIM_CROP if made.loss == "ms-ssim" else 64
    told_none = not kind.conditional
    numbers = ("learning_rate", "aux_learning_rate", "gdn_rate", "prior_rate", "clip")
    positive = ("N", "M", "steps", "batch", *numbers, "log_every", "save_every")
    return [
        *((key, "more than 0", _positive(getattr(made, key))) for key in positive),
        ("lambdas", "one or more numbers above 0", bool(made.lambdas) and all(map(_positive, made.lambdas))),
        (
            "lambdas",
            f"numbers from {LOW:g} to {HIGH:g}",
            not kind.conditional or all(LOW <= one <= HIGH for one in made.lambdas),
        ),
        ("lambdas", "no number twice", len({f"{one:g}" for one in made.lambdas}) == len(made.lambdas)),
        ("loss", f"one of {', '.join(LOSSES)}", made.loss in LOSSES),
        ("lambdas", f"{GAINS} numbers, one for each gain", not kind.gain or len(made.lambdas) == GAINS),
        ("loss", "mse, which the range of lambdas of a conditional network is of", made.loss == "mse" or told_none),
        ("precision", f"one of {', '.join(PRECISIONS)}", made.precision in PRECISIONS),
        ("start", f"one of {', '.join(STARTS)}", made.start in STARTS),
        ("optimizer", f"one of {', '.join(OPTIMIZERS)}", made.optimizer in OPTIMIZERS),
        ("schedule", f"one of {', '.join(SCHEDULES)}", made.schedule in SCHEDULES),
        ("rates", f"one of {', '.join(RATES)}", made.rates in RATES),
        ("initial", f"one of {', '.join(INITIALS)}", made.initial in INITIALS),
        ("initial", f"random for {made.architecture}", made.initial == "random" or kind.principal),
        ("crop", f"a multiple of 16, at least {smallest}", made.crop % 16 == 0 and made.crop >= smallest),
        ("drops", "rising fractions of the steps", _rising(made.drops)),
        ("head_start", "a fraction of the steps, more than 0", 0 < made.head_start <= 1),
        ("stage_one", "a fraction of the steps", 0 <= made.stage_one <= 1),
        ("balance", "from 0 to 1", 0 <= made.balance <= 1),
        ("warm_up", "0 or more", made.warm_up >= 0),
        ("neighbour_steps", "0 or more", made.neighbour_steps >= 0),
        ("neighbour_rate", "0 or more", 0 <= made.neighbour_rate < math.inf),
        ("seed", "0 or more", made.seed >= 0),
        ("keep_seconds", "0 or more", made.keep_seconds >= 0),
        ("validation_images", "0 or more", made.validation_images >= 0),
    ]


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _rising(drops: tuple[float, ...]) -> bool:
    return all(0 < one <= 1 for one in drops) and list(drops) == sorted(drops)
