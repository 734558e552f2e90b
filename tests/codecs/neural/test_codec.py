"""The adapter: the library's own strings in our header, damage and desync found, batches, devices, estimates."""

import binascii
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from codecshift.codecs import contract
from codecshift.codecs.neural import bitstream, checkpoint, codec, device, models
from codecshift.codecs.neural.architectures import ARCHITECTURES
from codecshift.codecs.neural.bitstream import Desync
from codecshift.codecs.neural.codec import GAIN, NeuralCodec, NeuralEstimate
from codecshift.codecs.protocol import Batched, CodecError, CodecUnavailable, DecodeError, Estimating
from codecshift.codecs.registry import find, open_codec

FIXED = [name for name, one in ARCHITECTURES.items() if not one.gain and not one.conditional]
HYPERPRIOR = "bmshj2018-hyperprior"
IMAGE = contract.example(40, 161)


@pytest.fixture
def hyperprior(checkpoints: Callable[[str], Path]) -> Iterator[Any]:
    spec, (point,) = find(f"{HYPERPRIOR}@{checkpoints(HYPERPRIOR)}")
    with open_codec(spec, point) as opened:
        yield opened


# --- the same as the library


@pytest.mark.parametrize("architecture", FIXED)
def test_strings_and_pixels_are_the_librarys(checkpoints: Callable[[str], Path], architecture: str) -> None:
    found = checkpoint.read(checkpoints(architecture))
    bare: Any = checkpoint.build(found)
    ours = NeuralCodec(checkpoint.build(found), ARCHITECTURES[architecture].multiple)
    image = contract.example(64, 128)
    with torch.inference_mode():
        out = bare.compress(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)
        seen = bare.decompress(out["strings"], out["shape"])["x_hat"][0]
    strings = tuple(one[0] for one in out["strings"])
    data = ours.encode(image)
    assert bitstream.unpack(data, len(strings), dialled=False).strings == strings
    assert len(data) - sum(map(len, strings)) <= 8 + 2 * len(strings)
    np.testing.assert_array_equal(ours.decode(data), (seen * 255).round().byte().permute(1, 2, 0).numpy())


def test_padding_repeats_the_edge_and_is_cut_off(hyperprior: Any) -> None:
    extended = np.pad(IMAGE, ((0, 24), (0, 31), (0, 0)), mode="edge")
    np.testing.assert_array_equal(hyperprior.decode(hyperprior.encode(extended))[:40, :161], _seen(hyperprior))


def _seen(opened: Any) -> Any:
    return opened.decode(opened.encode(IMAGE))


def test_another_number_of_threads_decodes_the_stream(hyperprior: Any) -> None:
    data = hyperprior.encode(IMAGE)
    seen = hyperprior.decode(data)
    torch.set_num_threads(2)
    again = hyperprior.decode(data)
    assert int(np.abs(seen.astype(int) - again).max()) <= 1


@pytest.mark.parametrize("index", [0, 40000, bitstream.LAST_INDEX])
def test_a_variable_rate_stream_decodes_at_any_setting(lively: Callable[..., Any], index: int) -> None:
    name, size = "bmshj2018-hyperprior-vbr", {"N": 8, "M": 12}
    weights = lively(name).state_dict()
    low, high = (NeuralCodec(models.loaded(name, size, weights), 64, GAIN, gain) for gain in (0.1, 1.0))
    data = high.encode(IMAGE)
    np.testing.assert_array_equal(low.decode(data), high.decode(data))
    assert GAIN.index(GAIN.value(index)) == index


# --- damage


def sealed(data: bytes) -> bytes:
    """Return a damaged stream with the checksum of its bytes set right, so that the decoder sees the damage."""
    return binascii.crc_hqx(data[2:], 0).to_bytes(2, "little") + data[2:]


def test_any_flipped_byte_is_found(hyperprior: Any) -> None:
    data = hyperprior.encode(IMAGE)
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 + place % 255
        with pytest.raises(DecodeError, match="damaged"):
            hyperprior.decode(bytes(damaged))


FUZZ = """
import hashlib, sys, numpy as np
from binascii import crc_hqx
from codecshift.codecs import contract
from codecshift.codecs.protocol import DecodeError
from codecshift.codecs.registry import find, open_codec
generator, image = np.random.default_rng(5), contract.example(40, 61)
for label, trials in zip(sys.argv[1::2], map(int, sys.argv[2::2]), strict=True):
    spec, points = find(label)
    with open_codec(spec, points[0]) as codec:
        data = codec.encode(image)
        for trial in range(trials):
            damaged, start = bytearray(data), int(generator.integers(12, len(data) - 8))
            match trial % 3:
                case 0: damaged[start] ^= int(generator.integers(1, 256))
                case 1: damaged[start:] = generator.bytes(len(data) - start)
                case 2: damaged[start:] = bytes([int(generator.choice([0, 255]))]) * (len(data) - start)
            damaged[:2] = crc_hqx(bytes(damaged[2:]), 0).to_bytes(2, "little")
            try:
                seen = codec.decode(bytes(damaged))
            except DecodeError:
                continue
            assert damaged == data or np.array_equal(seen, codec.decode(data))
    print(hashlib.sha256(data).hexdigest())
"""


def test_another_process_makes_the_same_bytes_and_no_damage_crashes_its_decoder(
    checkpoints: Callable[[str], Path],
) -> None:
    trials = {"bmshj2018-factorized": 120, HYPERPRIOR: 120, "mbt2018": 15}
    labels = {architecture: f"{architecture}@{checkpoints(architecture)}" for architecture in trials}
    arguments = [word for name, label in labels.items() for word in (label, str(trials[name]))]
    done = subprocess.run(
        (sys.executable, "-c", FUZZ, *arguments), capture_output=True, encoding="utf-8", timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = []
    for spec, (point,) in map(find, labels.values()):
        with open_codec(spec, point) as codec_here:
            expected.append(hashlib.sha256(codec_here.encode(contract.example(40, 61))).hexdigest())
    assert done.stdout.split() == expected


def test_other_symbols_than_were_encoded_are_a_desync(hyperprior: Any, lively: Callable[..., Any]) -> None:
    size = {"N": 8, "M": 12}
    other = NeuralCodec(models.loaded(HYPERPRIOR, size, lively(HYPERPRIOR, seed=1).state_dict()), 64)
    with pytest.raises(Desync, match=r"^desync: the latents decode to other symbols"):
        other.decode(hyperprior.encode(IMAGE))


@pytest.mark.parametrize(("height", "width"), [(2**20, 2**20), (0, 64), (64, 0)])
def test_a_header_of_an_impossible_size_allocates_nothing(hyperprior: Any, height: int, width: int) -> None:
    stream = bitstream.Stream(height, width, 0, (bytes(8), bytes(8)))
    with pytest.raises(DecodeError, match=f"the header states an image of {width}x{height} pixels"):
        hyperprior.decode(bitstream.pack(stream))


def test_string_lengths_beyond_the_stream_are_found(hyperprior: Any) -> None:
    data = bitstream.pack(bitstream.Stream(40, 161, 0, (bytes(80), bytes(8))))
    with pytest.raises(DecodeError, match="strings of"):
        hyperprior.decode(sealed(data[:-40]))


@pytest.mark.parametrize("value", [float("nan"), 1e12])
def test_latents_that_cannot_be_coded_are_refused(lively: Callable[..., Any], value: float) -> None:
    model = lively("bmshj2018-factorized")
    with torch.no_grad():
        model.g_a[-1].bias.fill_(value)
    weights = models.loaded("bmshj2018-factorized", {"N": 8, "M": 12}, model.state_dict())
    with pytest.raises(CodecError, match="latents"):
        NeuralCodec(weights, 16)


# --- batches and devices


@pytest.mark.parametrize("architecture", [HYPERPRIOR, "elic2022-chandelier", "bmshj2018-hyperprior-vbr"])
def test_a_batch_on_an_accelerator_is_a_loop(
    checkpoints: Callable[[str], Path], architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CPU stands in for the accelerator: the way of the images through the transforms is the same."""
    monkeypatch.setattr(codec, "AHEAD", 2)
    dial = GAIN if ARCHITECTURES[architecture].gain else None
    model = checkpoint.build(checkpoint.read(checkpoints(architecture)))
    ours = NeuralCodec(model, 64, dial, 0.5, torch.device("cpu"))
    assert isinstance(ours, Batched)
    images = [np.roll(IMAGE, shift, axis=1) for shift in (0, 3, 7, 20, 50)]
    streams = [ours.encode(image) for image in images]
    assert ours.encode_batch(images) == streams
    for together, one in zip(ours.decode_batch(streams), streams, strict=True):
        np.testing.assert_array_equal(together, ours.decode(one))
    assert (ours.encode_batch([]), ours.decode_batch([])) == ([], [])


def test_a_failure_in_a_batch_leaves_nothing_behind(
    checkpoints: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = NeuralCodec(checkpoint.build(checkpoint.read(checkpoints(HYPERPRIOR))), 64, device=torch.device("cpu"))
    data = ours.encode(IMAGE)
    with monkeypatch.context() as broken:
        broken.setattr(ours._model.h_a, "forward", None)
        with pytest.raises(TypeError):
            ours.encode_batch([np.roll(IMAGE, 9), IMAGE])
    bad = bitstream.pack(bitstream.Stream(40, 161, 0, bitstream.unpack(data, 2, dialled=False).strings))
    with pytest.raises(Desync):
        ours.decode_batch([data, bad])
    assert ours.encode(contract.example(40, 161)) == data
    np.testing.assert_array_equal(ours.decode(data), ours.decode_batch([data, data])[1])


SWITCHES: Mapping[str, Callable[[], bool]] = {
    "deterministic algorithms": torch.are_deterministic_algorithms_enabled,
    "deterministic cuDNN": lambda: torch.backends.cudnn.deterministic,
    "no cuDNN benchmark": lambda: not torch.backends.cudnn.benchmark,
    "no TF32 in cuDNN": lambda: not torch.backends.cudnn.allow_tf32,
}


def switches() -> dict[str, bool]:
    return {name: switch() for name, switch in SWITCHES.items()}


@pytest.mark.parametrize("kind", [NeuralCodec, NeuralEstimate])
@pytest.mark.parametrize("accelerated", [True, False], ids=["accelerator", "cpu"])
def test_a_codec_switches_torch_for_its_own_calls_alone(
    kind: Any, accelerated: bool, checkpoints: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other codecs compute in the same process, and some have no deterministic kernels. The CPU stands in."""
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = switches()
    assert not all(before.values())
    seen: list[dict[str, bool]] = []
    model = checkpoint.build(checkpoint.read(checkpoints(HYPERPRIOR)))
    model.h_a.register_forward_pre_hook(lambda *_: seen.append(switches()))
    ours = kind(model, 64, device=torch.device("cpu") if accelerated else None)
    if kind is NeuralCodec:
        streams = [ours.encode(IMAGE), *ours.encode_batch([IMAGE, IMAGE])]
        model.h_s.register_forward_pre_hook(lambda *_: seen.append(switches()))
        ours.decode_batch([ours.encode(IMAGE), streams[1]])
        with pytest.raises(DecodeError):
            ours.decode(
                bitstream.pack(bitstream.Stream(40, 161, 0, bitstream.unpack(streams[0], 2, dialled=False).strings))
            )
    else:
        ours.estimate(IMAGE)
    assert seen
    assert {all(each.values()) for each in seen} == {accelerated}
    assert switches() == before


def test_opening_an_accelerator_switches_nothing(choice: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    device.use("cuda")
    before = switches()
    try:
        assert device.accelerator() == torch.device("cuda")
        assert switches() == before
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.fixture
def choice(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(device, "_chosen", [])
    device.accelerator.cache_clear()
    yield
    device.accelerator.cache_clear()


@pytest.mark.usefixtures("choice")
def test_a_device_is_chosen_once() -> None:
    device.use("cpu")
    device.use("cpu")
    with pytest.raises(ValueError, match="only once, got 'auto'"):
        device.use("auto")
    with pytest.raises(ValueError, match="expected a device, cpu, cuda, auto, got 'gpu'"):
        device.use("gpu")
    assert device.accelerator() is None


@pytest.mark.usefixtures("choice")
def test_a_missing_device_is_said_when_a_codec_is_opened(checkpoints: Callable[[str], Path]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one here")
    device.use("cuda")
    spec, (point,) = find(f"{HYPERPRIOR}@{checkpoints(HYPERPRIOR)}")
    with pytest.raises(CodecUnavailable, match="no CUDA device"), open_codec(spec, point):
        pass


@pytest.mark.usefixtures("choice")
def test_torch_computes_in_one_thread_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    device.accelerator()
    assert torch.get_num_threads() == 1


# --- estimates


def test_an_estimate_sees_what_the_codec_sees_and_is_no_codec(checkpoints: Callable[[str], Path]) -> None:
    spec, (point,) = find(f"{HYPERPRIOR}@{checkpoints(HYPERPRIOR)}")
    other, (same,) = find(f"{HYPERPRIOR}-est@{checkpoints(HYPERPRIOR)}")
    with open_codec(spec, point) as real, open_codec(other, same) as estimate:
        assert isinstance(estimate, NeuralEstimate)
        assert isinstance(estimate, Estimating)
        assert not isinstance(real, Estimating)
        assert not hasattr(estimate, "encode")
        _, seen = estimate.estimate(IMAGE)
        np.testing.assert_array_equal(seen, real.decode(real.encode(IMAGE)))


def test_where_the_tables_fit_the_estimate_is_the_rate(lively: Callable[..., Any]) -> None:
    """With one Gaussian scale for all latents of that spread, bits and bytes differ by the coder's losses alone."""
    model = lively(HYPERPRIOR, spread=2.0)
    with torch.no_grad():
        for one in (model.h_s[4].weight, model.h_a[4].weight, model.h_a[4].bias):
            one.zero_()
        model.h_s[4].bias.fill_(2.0)
    size = {"N": 8, "M": 12}
    real, estimate = (
        made(models.loaded(HYPERPRIOR, size, model.state_dict()), 64) for made in (NeuralCodec, NeuralEstimate)
    )
    image = contract.example(256, 256)
    bits, _ = estimate.estimate(image)
    assert 8 * len(real.encode(image)) == pytest.approx(bits, rel=0.05)


def test_the_environment_is_left_alone() -> None:
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ or torch.cuda.is_available()
