"""The streams of ffmpeg's encoders are what the fairness table says, the same on any run, and colour is no ceiling."""

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import skimage.data
from codecshift.codecs import header
from codecshift.codecs.contract import example
from codecshift.codecs.ffmpeg import SPECS
from codecshift.codecs.program import executable
from codecshift.codecs.protocol import CodecUnavailable, DecodeError, Point, Spec
from codecshift.codecs.registry import find, identify, open_codec

NAMES = [spec.name for spec in SPECS]
# What ffmpeg calls the format and the codec of a stream, by the first part of a codec's name.
FORMS = {"hevc": ("hevc", "hevc"), "vvc": ("vvc", "vvc"), "av1": ("obu", "av1"), "svt": ("obu", "av1")}
LIBRARIES = {"hevc": "x265", "vvc": "vvenc", "av1": "aom-av1", "svt": "svtav1"}
KODAK = Path(os.environ.get("CODECSHIFT_DATA", "nowhere")) / "kodak"


@pytest.fixture(params=SPECS, ids=NAMES)
def spec(request: pytest.FixtureRequest) -> Spec:
    try:
        identify(request.param)
    except CodecUnavailable as reason:
        pytest.skip(str(reason))
    return request.param


def tried(spec: Spec, point: Point, image: np.ndarray) -> tuple[float, float]:
    """Return bpp and PSNR."""
    with open_codec(spec, point) as codec:
        data = codec.encode(image)
        error = np.mean(np.square(codec.decode(data).astype(float) - image))
    return 8 * len(data) * 3 / image.size, float(10 * np.log10(255**2 / error))


def test_the_stream_is_as_the_table_says(spec: Spec) -> None:
    with open_codec(spec, spec.points[4]) as codec:
        _, _, payload = header.unpack(codec.encode(example(64, 80)))
    form, kind = FORMS[spec.name.partition("-")[0]]
    command = (executable("ffmpeg"), "-hide_banner", "-f", form, "-i", "pipe:0", "-f", "null", "-")
    said = subprocess.run(command, input=payload, capture_output=True, check=True).stderr.decode()
    depth = "" if spec.bit_depth == 8 else f"{spec.bit_depth}le"
    assert re.search(rf"Video: {kind} .*\byuv(j?){spec.chroma.replace(':', '')}p{depth}\b.*, 80x64\b", said)
    # All but VVenC note the range and the matrix in the stream: there the colour path alone knows them.
    assert kind == "vvc" or "pc, bt470bg" in said


def test_the_version_is_told(spec: Spec) -> None:
    library = LIBRARIES[spec.name.partition("-")[0]]
    assert re.fullmatch(rf"{library} v?\d\S+, ffmpeg \S+", identify(spec))


def test_the_encoder_does_not_tell_of_itself_in_the_stream(spec: Spec) -> None:
    with open_codec(spec, spec.points[0]) as codec:
        data = codec.encode(np.zeros((8, 8, 3), np.uint8))
    assert len(data) <= 110
    assert re.search(rb"x265|VVenC|SVT|warning|[a-z ]{12}", data) is None


ENCODED = """
import hashlib, sys, skimage.data
from codecshift.codecs.registry import find, open_codec
for name in sys.argv[1:]:
    spec, (_, _, _, point, *_) = find(name)
    with open_codec(spec, point) as codec:
        print(name, hashlib.sha256(codec.encode(skimage.data.astronaut()[:192, 160:352].copy())).hexdigest())
"""


def test_other_workers_and_more_cores_give_the_same_bytes() -> None:
    names = ("hevc", "hevc-8b", "hevc-420", "vvc-fast", "av1", "svt-av1")
    command = (sys.executable, "-c", ENCODED, *names, *names)
    children = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, encoding="utf-8", env={**os.environ, "OMP_NUM_THREADS": str(threads)}
        )
        for threads in (1, 8)
    ]
    lines = [line for child in children for line in child.communicate()[0].splitlines()]
    assert [line.split()[0] for line in lines] == [*names] * 4
    assert len({*lines}) == len(names)


def test_the_ladder_rises_on_a_photograph_and_spans_what_matters(spec: Spec) -> None:
    photograph = np.ascontiguousarray(skimage.data.astronaut()[32:128, 192:320])
    results = [tried(spec, point, photograph) for point in spec.points]
    for (rate, quality), (next_rate, next_quality) in pairwise(results):
        assert next_rate > rate
        assert next_quality > quality
    assert results[0][0] <= 0.25
    assert results[-1][0] >= 1.5


@pytest.mark.needs("kodak")
def test_hevc_is_where_x265_is_known_to_be_on_kodak() -> None:
    """Published BPG 4:4:4 curves pass 0.5 bpp at 32.5 to 33.5 dB in the mean over Kodak; here over a third of it."""
    images = [np.array(PIL.Image.open(KODAK / f"kodim{n:02d}.png")) for n in range(1, 25, 3)]
    labels = (find("hevc:qp33"), find("hevc:qp30"))
    curve = [np.mean([tried(spec, point, image) for image in images], axis=0) for spec, (point,) in labels]
    rates, qualities = zip(*curve, strict=True)
    assert rates[0] < 0.5 < rates[1]
    assert 32.5 < np.interp(np.log(0.5), np.log(rates), qualities) < 33.5


def test_noise_at_the_lowest_qp_fits_in_the_stream() -> None:
    spec, (point,) = find("vvc:qp0")
    noise = np.random.default_rng(6).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    rate, _ = tried(spec, point, noise)
    assert rate > 8  # more than ffmpeg has room for in a picture of this size


def test_a_truncated_stream_is_refused(spec: Spec) -> None:
    with open_codec(spec, spec.points[3]) as codec:
        data = codec.encode(example(64, 64))
        for kept in (0, 1, 6, len(data) // 2, len(data) - 1):
            with pytest.raises(DecodeError):
                codec.decode(data[:kept])


def test_an_ffmpeg_without_the_encoder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from codecshift.codecs import ffmpeg

    poor = tmp_path / "ffmpeg"
    poor.write_text("#!/bin/sh\necho \"Codec 'x' is not recognized by FFmpeg.\"\n", encoding="utf-8")
    poor.chmod(0o755)
    monkeypatch.setenv("CODECSHIFT_FFMPEG", str(poor))
    ffmpeg._identify.cache_clear()
    try:
        with pytest.raises(CodecUnavailable, match=r"has no encoder libx265: .*pip install -U imageio-ffmpeg"):
            ffmpeg.identify_x265()
    finally:
        ffmpeg._identify.cache_clear()
