"""CompressAI, imported so that it works: beside any build of torchvision, and without its import's warnings."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from types import ModuleType
from typing import Any

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[Any] = []
"""What keeps the schemas declared: torch forgets them when this object goes."""


def compressai(name: str = "") -> ModuleType:
    """Return CompressAI's module of this name, e.g. "models", or with "" the package itself; raise ImportError."""
    with warnings.catch_warnings():
        # What it and torchvision use of torch is partly deprecated, which is nothing that a user of ours can mend.
        warnings.simplefilter("ignore")
        _declare()
        return importlib.import_module(f"compressai.{name}" if name else "compressai")


def _declare() -> None:
    """Declare two operators of torchvision where its own library cannot: a CPU torch beside a CUDA torchvision.

    CompressAI imports torchvision, which on import registers shapes for these two; neither is ever called.
    """
    if _declared or importlib.util.find_spec("torchvision") is None:
        return
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library: Any = torch.library
        fragment = library.Library("torchvision", "DEF")
        for schema in _SCHEMAS:
            fragment.define(schema)
        _declared.append(fragment)
