"""Without torch all else works, and the neural codecs say what to install; with it CompressAI imports quietly."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
for name in ("torch", "compressai", "safetensors", "torchvision"):
    sys.modules[name] = None  # importing it fails, and looking for it finds nothing
import importlib.util
found, out = importlib.util.find_spec, {"torch", "compressai", "safetensors"}
importlib.util.find_spec = lambda name, *rest: None if name in out else found(name, *rest)
"""
LISTED = """
from codecshift.codecs.protocol import CodecUnavailable
from codecshift.codecs.registry import catalogue, find, identify, open_codec
unavailable = {}
for spec in catalogue().specs.values():
    try:
        identify(spec)
    except CodecUnavailable as reason:
        unavailable[spec.name] = str(reason)
neural = {name: why for name, why in unavailable.items() if catalogue().specs[name].kind == "neural"}
assert neural and set(neural) == {name for name, spec in catalogue().specs.items() if spec.kind == "neural"}
print(set(neural.values()))
assert "jpeg" not in unavailable
spec, points = find("bmshj2018-hyperprior-mse")
try:
    with open_codec(spec, points[0]):
        pass
except CodecUnavailable as reason:
    print(reason)
"""


def test_without_torch_they_are_listed_as_unavailable() -> None:
    done = subprocess.run((sys.executable, "-c", WITHOUT + LISTED), capture_output=True, encoding="utf-8", check=True)
    every, opened = done.stdout.splitlines()
    assert every == "{\"torch and compressai and safetensors not installed: pip install 'codecshift[neural]'\"}"
    assert "pip install 'codecshift[neural]'" in opened


MEASURE = """
import sys
from codecshift.benchmark.cli import main
sys.argv[1:] = ["run", "--codec", "jpeg:q50", "--codec", "mbt2018-mse:q1", "--corruption", "none", "--jobs", "1",
                "--out", sys.argv[1]]
main()
"""


def test_without_torch_a_run_goes_on_without_them(tmp_path: object) -> None:
    command = (sys.executable, "-c", WITHOUT + MEASURE, f"{tmp_path}/r.sqlite")
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "codecshift[neural]" in done.stderr
    assert "4 rows" in done.stderr


BESIDE = """
import warnings
warnings.simplefilter("error")
from codecshift.codecs.neural.compat import compressai
assert compressai("models").ScaleHyperprior
assert compressai().__version__
"""


@pytest.mark.needs("neural")
def test_compressai_imports_without_a_warning() -> None:
    subprocess.run((sys.executable, "-c", BESIDE), check=True)
