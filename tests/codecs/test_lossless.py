"""Lossless codecs return what they were given, other decoders read their streams, and refusals name them."""

import io
import subprocess

import numpy as np
import PIL.Image
import pytest
import skimage.data
from codecshift.codecs.lossless import SPECS
from codecshift.codecs.program import executable
from codecshift.codecs.protocol import CodecUnavailable, DecodeError, Spec
from codecshift.codecs.registry import UnknownCodec, find, identify, open_codec


def available(spec: Spec) -> Spec:
    try:
        identify(spec)
    except CodecUnavailable as reason:
        pytest.skip(str(reason))
    return spec


def decoded_by_ffmpeg(data: bytes, form: str, height: int, width: int) -> np.ndarray:
    """Return the RGB pixels that ffmpeg's own decoder makes of a stream."""
    command = (executable("ffmpeg"), "-hide_banner", "-loglevel", "error", "-f", form, "-i", "pipe:0")
    raw = subprocess.run(
        (*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"), input=data, capture_output=True, check=True
    )
    return np.frombuffer(raw.stdout, np.uint8).reshape(height, width, 3)


FORMS = {
    "png": "png_pipe",
    "webp-lossless": "webp_pipe",
    "jxl-lossless": "jpegxl_pipe",
}


@pytest.mark.parametrize("name", FORMS)
def test_another_decoder_gets_the_same_pixels(name: str) -> None:
    spec, (point,) = find(name)
    image = np.ascontiguousarray(skimage.data.astronaut()[100:228, 60:220])
    with open_codec(available(spec), point) as codec:
        data = codec.encode(image)
        assert np.array_equal(codec.decode(data), image)
    assert len(data) < image.size
    assert np.array_equal(decoded_by_ffmpeg(data, FORMS[name], 128, 160), image)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_damaged_streams_are_refused(spec: Spec) -> None:
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (9, 9)).save(buffer, "JPEG")
    with open_codec(available(spec), spec.points[0]) as codec:
        data = codec.encode(np.zeros((40, 50, 3), np.uint8))
        for damaged in (b"", data[: len(data) // 2], buffer.getvalue()):
            with pytest.raises(DecodeError):
                codec.decode(damaged)


@pytest.mark.parametrize("label", ["webp:lossless", "jxl:q100"])
def test_a_lossless_setting_of_a_lossy_codec_names_the_lossless_codec(label: str) -> None:
    name = label.partition(":")[0]
    with pytest.raises(UnknownCodec, match=f"^{name} has no point .*; {name}-lossless codes without loss$"):
        find(label)
