"""A job: a plan resolved on this machine, with its opened sets, its codecs and its provenance."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ...analysis.commands import Asked
from ...analysis.spectrum import LUMINANCE, Settings
from ...codecs.isolated import Isolated, NoAnswer, Raised
from ...codecs.names import did_you_mean
from ...codecs.neural.device import describe, possible
from ...codecs.protocol import CodecUnavailable, Point, Spec
from ...codecs.registry import UnknownCodec, find, identify
from ...codecs.registry import prepare as fetch_codec
from ...corruptions.corruption import CLEAN, SEVERITIES
from ...corruptions.sets import ImageSet, SetError, open_set
from ...corruptions.sets.generated import Place
from ...corruptions.table import prepare as fetch_textures
from ..plan.measures import DEFAULT, find_all, require
from ..plan.names import named
from ..plan.plans import Plan, Shot
from ..plan.targets import Matched
from ..store import Key, Status, Unshown, provenance
from ..store.provenance import Device
from .tasks import Context, Task

DEVICES = dict.fromkeys(("cpu", "cuda", "auto"))
"""The values of `--device`."""

_DEVICE_LIMIT = 120.0  # seconds that a process has to import torch and find the device


@dataclass(frozen=True)
class Job:
    """A resolved plan: its opened sets and the codec points to measure.

    `unavailable` gives the codecs of the plan that this machine lacks, with the reason. `device` is where neural codecs
    compute, None for the workers' CPUs. `spectra` is how spectra are computed, None for no spectra. `matched` are the
    points that searches found, None without a search. `asked` records the words and paths of the command.
    """

    plan: Plan
    sets: Mapping[str, ImageSet]
    specs: Mapping[str, Spec]
    points: tuple[tuple[str, Point], ...]
    unavailable: Mapping[str, str]
    device: Device | None = None
    spectra: Settings | None = None
    matched: Matched | None = None
    asked: Asked = field(default_factory=Asked)

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Everything that determines the results."""
        return self._described(provenance.describe)

    @property
    def comparable(self) -> Mapping[str, Any]:
        """The part of the provenance that decides whether rows can be compared; reading it opens no codec."""
        return self._described(provenance.comparable)

    def _described(self, describe: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        return describe(
            self.sets.values(),
            (corruption for corruption, _ in self.plan.conditions()),
            self.specs.values(),
            self.device,
            self.plan.measures,
            spectra=self.spectra,
            matched=self.matched,
        )

    @cached_property
    def run(self) -> str:
        """The run id."""
        return provenance.run_id(self.provenance)

    def context(self, time_limit: float, memory: float) -> Context:
        """Return the context that the workers of the job receive."""
        return Context(
            self.sets, self.specs, self.run, time_limit, memory, self.device, self.spectra, find_all(self.plan.measures)
        )

    def shots(self) -> Iterator[Shot]:
        """Yield every shot, image by image, so that a worker prepares each clean image once."""
        conditions = self.plan.conditions()
        for images in self.sets.values():
            for source in images.sources:
                for corruption, severity in conditions:
                    yield Shot(images.name, source.id, corruption, severity)

    def tasks(
        self,
        statuses: Mapping[Key, Status],
        retry_failed: bool,
        with_profiles: Container[Key] = (),
        unshown: Iterable[Unshown] = (),
    ) -> Iterator[Task]:
        """Yield a task for each shot with points that have no row yet; with `retry_failed`, points without an `ok` row.

        If the job measures spectra, an `ok` row counts only if its key is in `with_profiles`. The shots in `unshown`,
        which could not be made, are left out unless `retry_failed` is set.
        """
        not_made = set() if retry_failed else {shot[:4] for shot in unshown}

        def is_done(key: Key) -> bool:
            status = statuses.get(key)
            if status == "ok":
                return self.spectra is None or key in with_profiles
            return status is not None and not retry_failed

        for shot in self.shots():
            if not not_made.isdisjoint(_marks(shot)):
                continue
            points = tuple(
                (codec, point)
                for codec, point in self.points
                if not is_done(Key(shot.set, shot.corruption, shot.severity, codec, point.name, shot.image))
            )
            if points:
                yield Task(shot, points)

    def rows(self, unshown: Iterable[Unshown] = ()) -> int:
        """Return the number of rows of the whole plan, without those of shots that could not be made."""
        not_made = {shot[:4] for shot in unshown}
        return sum(not_made.isdisjoint(_marks(shot)) for shot in self.shots()) * len(self.points)


def _marks(shot: Shot) -> tuple[tuple[str, str, str, int], ...]:
    """Return the two records that can mark a shot as one that cannot be made: its own and that of its clean image."""
    return (shot.set, shot.image, shot.corruption, shot.severity), (shot.set, shot.image, CLEAN, 0)


Progress = Callable[[str, int, int], None]


def prepare(
    plan: Plan,
    data_dir: Path,
    *,
    download: bool = False,
    progress: Progress | None = None,
    extra: Sequence[Spec] = (),
    device: str = "cpu",
    spectra: Settings | None = None,
) -> Job:
    """Return a plan resolved on this machine; `download` allows it to fetch missing image sets.

    The codecs in `extra` are added to those of the plan, with all points of their ladders unless a label of the plan
    names points. A codec that this machine cannot open is left out and listed in `unavailable`. The device is "cpu",
    "cuda" or "auto", which uses CUDA if available. With `spectra`, every row is measured with spectra.

    Raises UnknownName, UnknownCodec, UnknownSet, SetError, MeasureUnavailable, and CodecUnavailable if no codec is left
    or the device does not exist.
    """
    named("device", device, DEVICES)  # before anything is fetched
    require(find_all(plan.measures))
    asked = _asked(plan, extra, spectra)
    plan, specs, points, unavailable = _codecs(plan, extra, progress)
    device_used = chosen(device, specs.values())
    corrupted = [condition for condition in plan.conditions() if condition[0] != CLEAN]
    fetch_textures((name for name, _ in corrupted), progress)
    sets: dict[str, ImageSet] = {}
    names: dict[str, str] = {}
    for name in plan.sets:
        images = open_set(name, data_dir, download=download, progress=progress)
        if images.name in sets:
            raise SetError(f"two sets have the same name {images.name!r} in rows: rename one folder")
        if images.generated and (lacking := images.generated.lacks(corrupted)):
            corruption, severity = lacking[0]
            raise SetError(
                f"{name} holds no {corruption}@{severity} ({len(lacking)} of the requested conditions are missing): "
                f"it holds {_listed(images.generated.files)}; choose with --corruption and --severity"
            )
        sets[images.name], names[images.name] = images, name
    asked = replace(asked, sets=names)
    return Job(plan, _parts(sets, plan), specs, points, unavailable, device_used, spectra, asked=asked)


def _asked(plan: Plan, extra: Sequence[Spec], spectra: Settings | None) -> Asked:
    """Return what the command asked for that cannot be derived from rows; `prepare` adds the sets."""
    checkpoints: dict[str, list[str]] = {}
    for label in plan.codecs:
        if "@" in label:
            checkpoints.setdefault(find(label, extra)[0].name, []).append(label)
    return Asked(
        plan=plan.name,
        codecs=checkpoints,
        first=plan.first,
        images=plan.images,
        measures=() if plan.measures == DEFAULT else [measure.name for measure in find_all(plan.measures)],
        channels="" if spectra is None else "luminance" if spectra.channels == LUMINANCE else "rgb",
        window="" if spectra is None else spectra.window,
    )


def chosen(device: str, specs: Iterable[Spec]) -> Device | None:
    """Return the device that `--device` selects on this machine, None for the CPU.

    "auto" selects the accelerator if there is one and a codec in `specs` can use it. A separate process asks torch, so
    that torch is not loaded here. Raises UnknownName, and CodecUnavailable if the device does not exist.
    """
    named("device", device, DEVICES)
    if device == "cpu" or (device == "auto" and not any(spec.on_device for spec in specs)):
        return None
    if device == "auto" and not possible():
        return None
    fault = "torch finds none, or is not installed"
    try:
        with Isolated(_DEVICE_LIMIT) as child:
            name = child.call(describe)
    except (NoAnswer, Raised) as error:
        name, fault = "", str(error)
    if name:
        return Device("cuda", name)
    if device == "cuda":
        raise CodecUnavailable(f"no CUDA device: {fault}; use --device cpu")
    return None


def _codecs(
    plan: Plan, extra: Sequence[Spec], progress: Progress | None
) -> tuple[Plan, dict[str, Spec], tuple[tuple[str, Point], ...], dict[str, str]]:
    """Return a plan with the labels that rows use, its codecs and points, and the codecs that this machine lacks."""
    pairs: dict[tuple[str, str], tuple[str, Point]] = {}
    specs: dict[str, Spec] = {}
    unavailable: dict[str, str] = {}
    labelled = {label.partition(":")[0] for label in plan.codecs}
    labels = []
    for label in (*plan.codecs, *(spec.name for spec in extra if spec.name not in labelled)):
        try:
            spec, points = find(label, extra)
        except CodecUnavailable as error:
            unavailable[label.partition(":")[0]] = str(error)
            continue
        if spec.name in specs and specs[spec.name] != spec:
            raise UnknownCodec(f"{label}: another codec has the same name {spec.name!r} in rows: rename one file")
        # The command labels a checkpoint by its path; rows label it by its name.
        labels.append(
            spec.name if points == spec.points else f"{spec.name}:{points[0].name}" if "@" in label else label
        )
        try:
            identify(spec)
            fetch_codec(spec, points, progress)
        except CodecUnavailable as error:
            unavailable[spec.name] = str(error)
            continue
        specs[spec.name] = spec
        pairs |= {(spec.name, point.name): (spec.name, point) for point in points}
    if not pairs:
        raise CodecUnavailable("; ".join(unavailable.values()))
    return replace(plan, codecs=tuple(labels)), specs, tuple(pairs.values()), unavailable


def _parts(sets: Mapping[str, ImageSet], plan: Plan) -> dict[str, ImageSet]:
    """Return the sets reduced to the images that a plan selects; a set without any of them is left out.

    Raises SetError for an image that no set has.
    """
    by_id = {images.name: {source.id: source for source in images.sources} for images in sets.values()}
    for wanted in plan.images:
        if not any(wanted in sources for sources in by_id.values()):
            hint = did_you_mean(wanted, (name for sources in by_id.values() for name in sources))
            raise SetError(f"there is no image {wanted!r} in {' or '.join(by_id)}{hint}")
    parts = {}
    for name, sources in by_id.items():
        wanted_sources = [source for id_, source in sources.items() if not plan.images or id_ in plan.images]
        if part := wanted_sources[: plan.first]:
            parts[name] = sets[name] if len(part) == len(sources) else sets[name].part(part)
    return parts


def _listed(places: Iterable[Place]) -> str:
    """Return the conditions of stored files as text: "fog@1,3 snow", without severities if all of them are stored."""
    severities: dict[str, set[int]] = {}
    for _, corruption, severity in places:
        severities.setdefault(corruption, set()).add(severity)
    return " ".join(
        name if stored == set(SEVERITIES) else f"{name}@{','.join(map(str, sorted(stored)))}"
        for name, stored in severities.items()
    )
