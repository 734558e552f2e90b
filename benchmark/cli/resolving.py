"""Turns the arguments of a command into folders, codecs, settings and jobs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .output import say
from .progress import Progress

if TYPE_CHECKING:
    from ...analysis.spectrum import Settings
    from ...codecs.protocol import Spec
    from ...corruptions.sets import ImageSet
    from ..measure.job import Job
    from ..plan.plans import Plan


def data_folder(data_dir: Path | None, download: bool | None) -> tuple[Path, bool]:
    """Return the folder of image sets, and whether to download missing ones: by default only into the user's cache."""
    from ...corruptions.sets import SetError, default_data_dir

    chosen = data_dir is not None or "CODECSHIFT_DATA" in os.environ
    folder = data_dir or default_data_dir()
    if chosen and not folder.is_dir():
        raise SetError(f"there is no folder {folder}: correct --data-dir or CODECSHIFT_DATA")
    return folder, not chosen if download is None else download


def described(files: Sequence[Path] | None) -> tuple[Spec, ...]:
    """Return the codecs that files describe; raise BadDescription if a name is taken."""
    from ...codecs.described import BadDescription, describe
    from ...codecs.registry import catalogue

    specs: dict[str, Spec] = {}
    for path in files or ():
        spec = describe(path)
        if spec.name in specs or spec.name in catalogue().specs:
            raise BadDescription(f"{path}: a codec named {spec.name!r} already exists: choose another name")
        specs[spec.name] = spec
    return tuple(specs.values())


def say_left_out(images: ImageSet) -> None:
    """Print which files of a folder are left out of a set, if any."""
    if images.left_out:
        say(f"{images.name}: {images.left_out}")


def run_file(out: Path | None, *names: str) -> Path:
    """Return the run file to write: `out`, or one in this folder named after what is measured."""
    from ..plan.names import file_name

    return out or Path(f"{file_name('-'.join(names))}.sqlite")


def spectra_settings(channels: str, window: str) -> Settings:
    """Return the settings of spectra; raise UnknownName for an unknown word."""
    from ...analysis.spectrum import EVERY_CHANNEL, LUMINANCE, WINDOWS, Settings
    from ..plan.names import named

    chosen = named("channels", channels, {"luminance": LUMINANCE, "rgb": EVERY_CHANNEL})
    named("window", window, dict.fromkeys(WINDOWS))
    return Settings(chosen, window)


def prepare(
    plan: Plan,
    data_dir: Path | None,
    download: bool | None,
    codec_files: Sequence[Path] | None,
    device: str,
    spectra: Settings | None = None,
) -> Job:
    """Resolve a plan on this machine: download its images if allowed, and print which codecs are missing."""
    from ..measure.job import prepare

    Path.cwd()  # raises if the current folder is gone, before anything is downloaded or written
    folder, fetch = data_folder(data_dir, download)
    extra = described(codec_files)
    with Progress("download", "looking for images and codecs") as progress:
        job = prepare(plan, folder, download=fetch, progress=progress.task, extra=extra, device=device, spectra=spectra)
    for images in job.sets.values():
        say_left_out(images)
    for name, reason in job.unavailable.items():
        say(f"left out: {name}: {reason}")
    files = {spec.name: str(path) for spec, path in zip(extra, codec_files or (), strict=True)}
    return replace(job, asked=replace(job.asked, data_dir=str(data_dir or ""), codec_files=files))
