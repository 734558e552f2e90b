"""Nothing that a run loads needs a shared library that a bare system lacks."""

import subprocess
import sys
from pathlib import Path

import pytest

# What every Linux with a Python has: zlib, the C++ library, the C library and the parts that it is cut into.
GIVEN = {"libz", "libstdc++", "libgcc_s"}
GIVEN |= {"libc", "libm", "libmvec", "libpthread", "libdl", "librt", "libutil", "ld-linux-x86-64", "ld-linux-aarch64"}

LOADS = """
import io, sys
import numpy as np
from codecshift.analysis.measures.table import MS_SSIM, use_once
from codecshift.analysis.spectrum import power_spectrum
from codecshift.benchmark import cli, store
from codecshift.benchmark.measure import sitting
from codecshift.benchmark.report import export, figures, leaderboard
from codecshift.codecs.protocol import CodecUnavailable
from codecshift.codecs.registry import BUILT_IN, open_codec
from codecshift.corruptions.corruption import generator
from codecshift.corruptions.sets import default_data_dir, open_set
from codecshift.corruptions.table import CORRUPTIONS

images = open_set("sample", default_data_dir())
use_once(MS_SSIM)
image = np.ascontiguousarray(images.load(images.sources[0].id)[:176, :192])
for corruption in CORRUPTIONS.values():
    corruption(image, 3, generator("x"))
for spec in BUILT_IN:
    if spec.kind == "classical":
        try:
            with open_codec(spec, spec.points[0]) as codec:
                seen = codec.decode(codec.encode(image))
        except CodecUnavailable:
            continue
import bjontegaard, matplotlib.pyplot, pyarrow.parquet, pandas, skimage.data, scipy.interpolate
matplotlib.pyplot.figure().savefig(io.BytesIO())
for line in sorted({line.split(maxsplit=5)[5].strip() for line in open("/proc/self/maps") if ".so" in line}):
    print(line)
"""


@pytest.mark.needs("proc")
def test_every_library_loaded_is_bundled_or_on_every_system() -> None:
    elffile = pytest.importorskip("elftools.elf.elffile")
    done = subprocess.run(
        (sys.executable, "-W", "ignore", "-c", LOADS), capture_output=True, encoding="utf-8", check=True
    )
    loaded = [Path(line) for line in done.stdout.splitlines()]
    packaged = [path for path in loaded if {"site-packages", "dist-packages"} & set(path.parts)]
    assert any("cv2" in path.parts for path in packaged)
    bundled = {path.name for path in packaged}
    lacking = []
    for path in packaged:
        with path.open("rb") as file:
            needed = [
                tag.needed for tag in elffile.ELFFile(file).get_section_by_name(".dynamic").iter_tags("DT_NEEDED")
            ]
        for name in needed:
            stem = name.partition(".so")[0]
            if name not in bundled and stem not in GIVEN and not stem.startswith("libpython"):
                lacking.append(f"{path} needs {name}")
    assert lacking == []
