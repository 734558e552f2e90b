"""Small models with random weights that make busy latents, and their checkpoints."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from codecshift.codecs import contract
from codecshift.codecs.neural.architectures import ARCHITECTURES

NEEDED = ("torch", "compressai", "safetensors")

NEEDS_NONE = {"test_optional.py", "test_recipe.py", "test_train_cli.py"}

if any(importlib.util.find_spec(name) is None for name in NEEDED):
    here = Path(__file__).parent
    collect_ignore = [str(path) for path in here.rglob("test_*.py") if path.name not in NEEDS_NONE]


@pytest.fixture(scope="session")
def config() -> Callable[[str], dict[str, int]]:
    """A function that returns the size of an architecture's small model."""
    return lambda architecture: {"N": 8} if architecture.startswith("cheng2020") else {"N": 8, "M": 12}


@pytest.fixture(scope="session")
def lively(config: Callable[[str], dict[str, int]]) -> Callable[..., Any]:
    """A function that returns a model with random weights, its latents scaled to a standard deviation of `spread`."""
    import torch
    from codecshift.codecs.neural import models

    def made(architecture: str, size: dict[str, int] | None = None, spread: float = 3.0, seed: int = 0) -> Any:
        torch.manual_seed(seed)
        model: Any = models.construct(architecture, size or config(architecture)).eval()
        pixels = torch.from_numpy(contract.example(128, 128)).permute(2, 0, 1)[None] / 255
        last = [one for one in model.g_a.modules() if isinstance(one, torch.nn.Conv2d) and one.stride == (2, 2)][-1]
        with torch.no_grad():
            conditions = [torch.zeros(1, 1)] if ARCHITECTURES[architecture].conditional else []
            last.weight *= spread / float(model.g_a(pixels, *conditions).std())
        return model

    return made


@pytest.fixture(scope="session")
def checkpoints(
    tmp_path_factory: pytest.TempPathFactory, lively: Callable[..., Any], config: Callable[[str], dict[str, int]]
) -> Callable[[str], Path]:
    """A function that returns the checkpoint of a small model of an architecture, made when first asked for."""
    from codecshift.codecs.neural import checkpoint
    from codecshift.codecs.neural.metadata import Facts

    folder = tmp_path_factory.mktemp("checkpoints")

    def made(architecture: str) -> Path:
        path = folder / f"{architecture}.safetensors"
        if not path.exists():
            weights = lively(architecture).state_dict()
            checkpoint.save(path, Facts(architecture, config(architecture), 0.01, "mse", {"steps": "0"}), weights)
        return path

    return made


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small convolutions are slower in several threads than in one; and what a codec sets is set back."""
    if importlib.util.find_spec("torch") is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
