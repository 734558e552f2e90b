"""Models by the name of their architecture: with random weights, or with given weights and ready to code."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch

from .architectures import ARCHITECTURES
from .compat import compressai

State = Mapping[str, torch.Tensor]
Config = Mapping[str, int]

TABLES = ("_offset", "_quantized_cdf", "_cdf_length", "scale_table")
"""The entropy coder's buffers, which `update` computes from the weights."""

_CONSTANTS = (".bound", ".pedestal", ".scale_bound")
"""Constant buffers, taken from a new model: stored in half precision, a constant of 1e-9 would be 0."""


def infer(architecture: str, state: State) -> dict[str, int]:
    """Return the constructor's arguments N and, except for cheng2020, M, from the shapes of weights.

    Raises KeyError where the weights lack the layers in question.
    """
    if architecture.startswith("cheng2020"):
        return {"N": state["g_a.0.conv1.weight"].shape[0]}
    if architecture.startswith("elic2022"):
        return {"N": state["g_a.0.weight"].shape[0], "M": state["g_a.13.weight"].shape[0]}
    if ARCHITECTURES[architecture].conditional:
        return {"N": state["g_a.0.convolution.weight"].shape[0], "M": state["g_a.3.convolution.weight"].shape[0]}
    return {"N": state["g_a.0.weight"].shape[0], "M": state["g_a.6.weight"].shape[0]}


def groups(channels: int) -> list[int]:
    """Return ELIC's uneven groups of M channels: its authors' for M > 128, smaller ones in proportion otherwise."""
    first = [16, 16, 32, 64] if channels > 128 else [max(1, channels * share // 20) for share in (1, 1, 2, 4)]
    return [*first, channels - sum(first)]


def construct(architecture: str, config: Config, **options: Any) -> torch.nn.Module:
    """Return a model with random weights; raise ValueError for an unknown architecture or a wrong config.

    `config` holds "N" and, except for cheng2020, "M"; `options` are further arguments of the constructor.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"expected one of {', '.join(ARCHITECTURES)}, got {architecture!r}")
    wanted = ("N",) if architecture.startswith("cheng2020") else ("N", "M")
    if set(config) != set(wanted):
        raise ValueError(f"expected {' and '.join(wanted)} in the config of {architecture}, got {dict(config)}")
    if architecture.startswith("elic2022"):
        if config["M"] < 5:
            raise ValueError(f"expected M of at least 5 for the five groups of {architecture}, got {config['M']}")
        options.setdefault("groups", groups(config["M"]))
    model = _class(architecture)(**config, **options)
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"expected a torch module, got {type(model).__name__}")
    return model


def _class(architecture: str) -> Callable[..., Any]:
    if ARCHITECTURES[architecture].conditional:
        # Imported here, because it imports CompressAI's layers.
        module = importlib.import_module(".conditional", __package__)
    else:
        module = compressai("models")
    model: Callable[..., Any] = getattr(module, ARCHITECTURES[architecture].model)
    return model


def loaded(architecture: str, config: Config, state: State) -> torch.nn.Module:
    """Return a model with these weights, ready to code: on the CPU, in eval mode, its tables computed.

    Raises ValueError or KeyError where the weights are not those of such a model.
    """
    options: dict[str, Any] = {}
    if architecture.startswith("elic2022"):
        first = "latent_codec.y.latent_codec.y"
        sizes = {
            int(key[len(first) :].partition(".")[0]): value.shape[1]
            for key, value in state.items()
            if key.startswith(first) and key.endswith(".context_prediction.weight")
        }
        options["groups"] = [sizes[place] for place in sorted(sizes)]
    if ARCHITECTURES[architecture].gain and "gayn2zqstep.0.weight" in state:
        options["vr_entbttlnck"] = True
    model = construct(architecture, config, **options)
    # Stored tables may belong to other weights; the empty tables of a new model are kept instead.
    own = (*TABLES, *_CONSTANTS)
    buffers = {key: value for key, value in model.state_dict().items() if key.endswith(own)}
    weights = {key: value for key, value in state.items() if not key.endswith(own)}
    try:
        model.load_state_dict({**buffers, **weights})
    except RuntimeError as error:
        raise ValueError(f"the weights are not those of {architecture} of {dict(config)}: {_gist(error)}") from error
    model.eval()
    gaussian = compressai("entropy_models").GaussianConditional
    for module in model.modules():
        if isinstance(module, gaussian):
            for name, table in _gaussian_tables().items():
                setattr(module, name, table.clone())
    update: Any = model.update
    with torch.no_grad():
        update()  # computes the tables that are still empty
    return model


@cache
def _gaussian_tables() -> dict[str, torch.Tensor]:
    """Return the tables of Gaussians on CompressAI's scales, which all models share and which take long to compute."""
    gaussian = compressai("entropy_models").GaussianConditional(None)
    gaussian.update_scale_table(compressai("models.base").get_scale_table(), force=True)
    return {name: getattr(gaussian, name) for name in TABLES}


def _gist(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[1:3])[:300]
