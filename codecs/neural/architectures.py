"""The known architectures by their names in CompressAI, with the properties that are needed without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LOW, HIGH = 0.0012, 0.26
"""The range of lambda of conditional networks, drawn log-uniformly in training (Lieberman et al. 2023)."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model class, by its name in compressai.models or in `conditional`, and its properties.

    Images are padded to a multiple of `multiple`, the subsampling of the smallest latent. With `gain` or `conditional`,
    one set of weights serves a range of rates: through a gain on its latents, or through lambda as an input.
    `principal` means that training can start from principal components: the transforms have four stages of stride 2 and
    are nearly linear at first.
    """

    model: str
    multiple: int = 64
    gain: bool = False
    conditional: bool = False
    principal: bool = False


ARCHITECTURES: Mapping[str, Architecture] = {
    "bmshj2018-factorized": Architecture("FactorizedPrior", multiple=16, principal=True),
    "bmshj2018-factorized-relu": Architecture("FactorizedPriorReLU", multiple=16),
    "bmshj2018-hyperprior": Architecture("ScaleHyperprior", principal=True),
    "mbt2018-mean": Architecture("MeanScaleHyperprior"),
    "mbt2018": Architecture("JointAutoregressiveHierarchicalPriors"),
    "cheng2020-anchor": Architecture("Cheng2020Anchor"),
    "cheng2020-attn": Architecture("Cheng2020Attention"),
    "bmshj2018-hyperprior-vbr": Architecture("ScaleHyperpriorVbr", gain=True),
    "mbt2018-mean-vbr": Architecture("MeanScaleHyperpriorVbr", gain=True),
    "mbt2018-vbr": Architecture("JointAutoregressiveHierarchicalPriorsVbr", gain=True),
    "cheng2020-anchor-checkerboard": Architecture("Cheng2020AnchorCheckerboard"),
    "elic2022-official": Architecture("Elic2022Official"),
    "elic2022-chandelier": Architecture("Elic2022Chandelier"),
    "hyperprior-lct": Architecture("ConditionalHyperprior", conditional=True, principal=True),
}
