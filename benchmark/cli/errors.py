"""Which errors have a message for the user, and messages about libraries that are missing on this system."""

from __future__ import annotations

import re
import sys
from pathlib import Path

FOLDER_IS_GONE = (
    "the current folder has been deleted or moved: change to a folder that exists, and run the command again"
)
"""The message of every failure in a deleted folder: paths, programs and worker processes all depend on the folder."""

FORESEEN = (
    *("analysis.figures.NothingToDraw", "analysis.measures.table.MeasureUnavailable"),
    *("analysis.heatmap.NoHeatmap", "analysis.ranking.NotComparable"),
    *("codecs.described.BadDescription", "codecs.protocol.CodecUnavailable", "codecs.registry.UnknownCodec"),
    *("codecs.neural.training.recipe.TrainingError", "corruptions.download.DownloadError"),
    *("corruptions.sets.generated.GeneratedError", "corruptions.pixels.UnreadableImage"),
    *("corruptions.sets.SetError", "corruptions.sets.UnknownSet"),
    *("benchmark.plan.targets.WrongTarget", "benchmark.plan.names.UnknownName"),
    *("benchmark.report.efforts.NotEfforts", "benchmark.sets.bands.MeasurementError"),
    "benchmark.store.schema.RunFileError",
)
"""The errors whose message is meant for the user."""

_HEADERS = {"sqlite3": "SQLite", "lzma": "liblzma", "bz2": "bzip2", "ctypes": "libffi", "ssl": "OpenSSL"}
"""The library behind each module of the standard library that a build of Python may lack."""


def foreseen(error: Exception) -> bool:
    """Return whether the message of an error is meant for the user.

    This imports nothing: the module of an error that was raised is already loaded, and other modules may be broken.
    """
    root = __package__.partition(".")[0]
    for name in FORESEEN:
        module, _, kind = name.rpartition(".")
        loaded = sys.modules.get(f"{root}.{module}")
        if loaded is not None and isinstance(error, getattr(loaded, kind)):
            return True
    return False


def folder_is_gone() -> bool:
    """Return whether the current folder has been deleted, or cannot be reached any more."""
    try:
        Path.cwd()
    except OSError:
        return True
    return False


def unloadable(error: ImportError) -> str:
    """Return what to do about a library that this system or this Python lacks; "" if the error is a bug of ours."""
    while isinstance(error.__cause__, ImportError):  # packages raise their own error, which hides what is missing
        error = error.__cause__
    name = (error.name or "").partition(".")[0]
    lacking = re.match(r"(lib\S+): cannot open shared object file", str(error))
    if lacking and lacking[1].startswith(("libGL", "libgthread", "libglib", "libSM", "libX")):
        return (
            f"OpenCV needs {lacking[1]}, which this system lacks, because another build of OpenCV was installed over "
            "the headless one: run pip uninstall opencv-python opencv-contrib-python, then pip install "
            "--force-reinstall --no-deps opencv-python-headless"
        )
    if lacking:
        return (
            f"this system lacks {lacking[1]}, which {name or 'a library'} needs: install the package that provides it"
        )
    module = name.removeprefix("_")
    if module in sys.stdlib_module_names or name in sys.stdlib_module_names:
        return (
            f"this Python ({sys.executable}) was built without its module {module}: use another Python, or install the "
            f"headers of {_HEADERS.get(module, module)} and build it again"
        )
    if not name or name == "codecshift":
        return ""
    return f"{name} cannot be loaded ({error}): install codecshift again, pip install -c constraints.txt ."
