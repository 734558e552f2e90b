"""Importing CompressAI: without its warnings, and with any build of torchvision."""

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
"""Keeps the schemas declared: torch drops them when this object is deleted."""


def compressai(name: str = "") -> ModuleType:
    """Return CompressAI's module of this name, e.g. "models", or the package itself for ""; raise ImportError."""
    with warnings.catch_warnings():
        # CompressAI and torchvision use deprecated parts of torch, which users of this package cannot change.
        warnings.simplefilter("ignore")
        _declare()
        return importlib.import_module(f"compressai.{name}" if name else "compressai")


def _declare() -> None:
    """Declare two operators of torchvision if its own library cannot, e.g. with a CPU torch and a CUDA torchvision.

    CompressAI imports torchvision, which registers shapes for these two operators on import. Neither is ever called.
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
