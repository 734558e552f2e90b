"""Specs of the neural codecs, made without torch: packaged families, CompressAI's zoo, and checkpoints by label."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..protocol import CodecUnavailable, Point, Scale, Spec
from . import download, families, zoo
from .architectures import ARCHITECTURES, HIGH, LOW
from .metadata import BadCheckpoint, Facts, digest, read_facts

ESTIMATE = "-est"
"""The suffix of the name (before an @) of a codec whose rate is estimated from likelihoods."""

LAMBDA = Scale("l", "lam", LOW, HIGH, integer=False)
GAIN = Scale("g", "gain", 0.1, 1, integer=False)
_LAMBDAS = LAMBDA.ladder(0.0012, 0.0035, 0.01, 0.03, 0.09, 0.26)
_SPAN = LAMBDA.ladder(0.0018, 0.005, 0.013, 0.035, 0.09)
_GAINS = GAIN.ladder(0.1, 0.139, 0.193, 0.269, 0.373, 0.518, 0.72, 1)

_OPENING = "codecshift.codecs.neural.opening"
_HERE = "codecshift.codecs.neural.specs"
_HINT = "pip install 'codecshift[neural]'"


def _spec(name: str, load: str, identify: str, points: tuple[Point, ...], scale: Scale | None, settings: str) -> Spec:
    return Spec(
        name=name,
        load=f"{_OPENING}:{load}",
        identify=f"{_HERE}:{identify}",
        points=points,
        kind="neural",
        scale=scale,
        chroma="4:4:4",
        colour="RGB",
        effort="none to set",
        settings=settings,
        hint=_HINT,
    )


def _zoo() -> tuple[Spec, ...]:
    scales = {name: Scale("q", "quality", 1, len(files)) for name, files in zoo.FIXED.items()}
    ladders = {name: (scale, scale.ladder(*range(1, int(scale.high) + 1))) for name, scale in scales.items()}
    ladders |= dict.fromkeys(zoo.VARIABLE, (GAIN, _GAINS))
    return tuple(
        replace(
            _spec(name, f"zoo:{name}", "identify_zoo", points, scale, f"CompressAI's zoo, {_trained(name)}"),
            prepare=f"{_HERE}:prepare",
        )
        for name, (scale, points) in ladders.items()
    )


def _trained(name: str) -> str:
    return "trained for MS-SSIM" if name.endswith("-ms-ssim") else "trained for MSE"


def estimated(spec: Spec) -> Spec:
    """Return a codec with the same weights that estimates its rate."""
    base, at, stem = spec.name.partition("@")
    module, function, argument = spec.load.split(":", 2)
    return replace(
        spec,
        name=f"{base}{ESTIMATE}{at}{stem}",
        load=f"{module}:{function}_estimate:{argument}",
        settings=f"{spec.settings}; rate estimated from likelihoods, no bytes",
        estimated=True,
    )


def named(label: str) -> tuple[Spec, str]:
    """Return the codec of a label such as "ARCH@file.safetensors" or "ARCH@folder:l0.013", and the point's name or "".

    In rows the codec is called "ARCH@file" or "ARCH@folder". Raises BadCheckpoint if the label names no checkpoint.
    """
    prefix, _, place = label.partition("@")
    architecture = prefix.removesuffix(ESTIMATE)
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise BadCheckpoint(f"expected an architecture before the @, one of {known}, got {architecture!r}")
    path, point = Path(place).expanduser(), ""
    if not path.exists() and ":" in place:
        before, _, point = place.rpartition(":")
        path = Path(before).expanduser()
    if path.is_dir():
        spec = _folder(architecture, path.absolute())
    elif path.is_file():
        spec = _file(architecture, path.absolute())
    else:
        raise BadCheckpoint(f"expected a .safetensors file or a folder of them after the @, found none at {path}")
    return (estimated(spec) if prefix != architecture else spec), point


def _file(architecture: str, path: Path) -> Spec:
    facts, sha256 = _facts(architecture, path), digest(path)
    points, scale = _variable(architecture, _LAMBDAS)
    points = points or (Point(f"l{facts.lam:g}" if facts.lam is not None else _plain(path.stem)),)
    name, identify = f"{architecture}@{_plain(path.stem)}", f"identify_checkpoint:{sha256[:16]}"
    return _spec(name, f"file:{architecture}@{sha256[:16]}@{path}", identify, points, scale, _settings(facts))


def _variable(architecture: str, lambdas: tuple[Point, ...]) -> tuple[tuple[Point, ...], Scale | None]:
    """Return the points and the scale of a model that serves all rates, and ((), None) for other models."""
    if ARCHITECTURES[architecture].conditional:
        return lambdas, LAMBDA
    return (_GAINS, GAIN) if ARCHITECTURES[architecture].gain else ((), None)


def _folder(architecture: str, folder: Path) -> Spec:
    if ARCHITECTURES[architecture].conditional or ARCHITECTURES[architecture].gain:
        raise BadCheckpoint(f"{folder}: one file of {architecture} serves all rates: expected a file, got a folder")
    paths = sorted(path for path in folder.glob("*.safetensors") if not path.name.startswith("."))
    if not paths:
        raise BadCheckpoint(f"{folder}: expected .safetensors files in this folder, found none")
    files = [(_facts(architecture, path), path, digest(path)) for path in paths]
    files.sort(key=lambda file: (file[0].lam is None, file[0].lam or 0.0, file[1].name))
    lambdas = [facts.lam for facts, _, _ in files]
    by_lambda = None not in lambdas and len(set(lambdas)) == len(lambdas)
    points = tuple(
        Point(f"l{facts.lam:g}" if by_lambda else _plain(path.stem), {"file": path.name, "digest": sha256[:16]})
        for facts, path, sha256 in files
    )
    if len({point.name for point in points}) < len(points):
        raise BadCheckpoint(f"{folder}: two of its files would give points of the same name: rename one")
    whole = hashlib.sha256("".join(sha256 for _, _, sha256 in files).encode()).hexdigest()[:16]
    name, load = f"{architecture}@{_plain(folder.name)}", f"folder:{architecture}@{folder}"
    return _spec(name, load, f"identify_checkpoint:{whole}", points, None, _settings(files[0][0]))


def _facts(architecture: str, path: Path) -> Facts:
    facts = read_facts(path)
    if facts.architecture != architecture:
        raise BadCheckpoint(f"{path}: expected a checkpoint of {architecture}, got one of {facts.architecture}")
    return facts


def _settings(facts: Facts) -> str:
    size = ", ".join(f"{key}={value}" for key, value in sorted(facts.config.items(), reverse=True))
    return f"checkpoint, {size}, {_trained(f'-{facts.metric}')}"


def _plain(name: str) -> str:
    """Return a name without the characters that labels and file names cannot contain."""
    return re.sub(r"[^\w.+\-]", "-", name)


def _ours(family: str) -> Spec:
    files = families.whole(family)
    first = next(iter(files.values()))
    points, scale = _variable(first.architecture, _SPAN)
    points = points or tuple(Point(f"l{facts.lam:g}", {"file": path.name}) for path, facts in files.items())
    return _spec(family, f"ours:{family}", f"identify_ours:{family}", points, scale, f"ours, {_settings(first)}")


def packaged() -> tuple[tuple[Spec, ...], dict[str, str]]:
    """Return the codecs that come with the package, and, by name, what is wrong with those with damaged files."""
    sound, damaged = [], {}
    for family in families.names():
        try:
            sound.append(_ours(family))
        except BadCheckpoint as error:
            damaged[family] = f"{error}: install codecshift again"
    return tuple(sound), damaged


OURS, DAMAGED = packaged()
SPECS = (*OURS, *_zoo())
ESTIMATES = tuple(map(estimated, SPECS))


def identify_zoo() -> str:
    """Return the versions of CompressAI and torch; raise CodecUnavailable if they are not installed."""
    missing = [name for name in ("torch", "compressai", "safetensors") if importlib.util.find_spec(name) is None]
    if missing:
        raise CodecUnavailable(f"{' and '.join(missing)} not installed: {_HINT}")
    versions = {name: importlib.metadata.version(name) for name in ("compressai", "torch")}
    # "+cpu" and "+cu130" are builds of the same version, and make the same streams: see `device`.
    return ", ".join(f"{name} {version.partition('+')[0]}" for name, version in versions.items())


def identify_checkpoint(sha256: str) -> str:
    """Return the versions and the digest of the weights; raise CodecUnavailable."""
    return f"{identify_zoo()}, weights {sha256}"


def identify_ours(family: str) -> str:
    """Return the versions and the digest of the weights of a packaged family; raise CodecUnavailable."""
    return f"{identify_zoo()}, weights {families.digest(family)}"


def prepare(spec: Spec, points: Sequence[Point], progress: download.Progress | None = None) -> None:
    """Download the weights that a zoo codec needs at these points; raise CodecUnavailable."""
    name = spec.load.split(":", 2)[2]
    for file in dict.fromkeys(zoo.file(name, point.params) for point in points):
        download.fetched(file, progress)
