"""SSIMULACRA 2, a measure of perceived quality: structure, artefacts and lost detail at six scales in three colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .ssimulacra2_scales import Prepared

Image = NDArray[np.uint8]

SMALLEST = 113
"""Pixels a side from which on an image has all six scales.

The C++ program scores images down to 8 pixels a side, and so does the instrument. But with fewer scales the program
takes the weights of one scale and colour for another: such scores compare with no other size.
"""

# The weights of the errors in structure, of artefacts and of lost detail, from the C++ program, version 2.1. Each
# colour (X, Y, B - Y) has six scales, and each scale a line for the means and a line for the 4-norms.
# fmt: off
WEIGHTS = (
    0, 0.0007376606707406586, 0,
    0, 0.0007793481682867309, 0,
    0, 0.0004371155730107379, 0,
    1.1041726426657346, 0.00066284834129271, 0.00015231632783718752,
    0, 0.0016406437456599754, 0,
    1.8422455520539298, 11.441172603757666, 0,
    0.0007989109436015163, 0.000176816438078653, 0,
    1.8787594979546387, 10.94906990605142, 0,
    0.0007289346991508072, 0.9677937080626833, 0,
    0.00014003424285435884, 0.9981766977854967, 0.00031949755934435053,
    0.0004550992113792063, 0, 0,
    0.0013648766163243398, 0, 0,
    0, 0, 0,
    7.466890328078848, 0, 17.445833984131262,
    0.0006235601634041466, 0, 0,
    6.683678146179332, 0.00037724407979611296, 1.027889937768264,
    225.20515300849274, 0, 0,
    19.213238186143016, 0.0011401524586618361, 0.001237755635509985,
    176.39317598450694, 0, 0,
    24.43300999870476, 0.28520802612117757, 0.0004485436923833408,
    0, 0, 0,
    34.77906344483772, 44.835625328877896, 0,
    0, 0, 0,
    0, 0, 0,
    0, 0.0008680556573291698, 0,
    0, 0, 0,
    0, 0.0005313191874358747, 0,
    0.00016533814161379112, 0, 0,
    0, 0, 0,
    0.0004179171803251336, 0.0017290828234722833, 0,
    0.0020827005846636437, 0, 0,
    8.826982764996862, 23.19243343998926, 0,
    95.1080498811086, 0.9863978034400682, 0.9834382792465353,
    0.0012286405048278493, 171.2667255897307, 0.9807858872435379,
    0, 0, 0,
    0.0005130064588990679, 0, 0.00010854057858411537,
)
# fmt: on


class Ssimulacra2:
    """SSIMULACRA 2, version 2.1, as the C++ program in Cloudinary's and libjxl's repositories computes it.

    100 is identical, 90 hard to tell apart, 70 high, 50 medium and 30 low quality; there is no lower end. The measure
    is not symmetric: artefacts and lost detail have weights of their own. The score depends on the roundings of single
    precision: near 100, by 0.2 points for a photograph and by 2 for flat images. So the roundings are the program's.
    """

    def prepare(self, image: Image) -> Prepared:
        """Return the scales of a uint8 RGB image of shape (H, W, 3).

        Raises ValueError where a side is under 8 pixels.
        """
        from .ssimulacra2_scales import scales  # noqa: PLC0415 - what measures nothing starts without Numba

        return scales(image)

    def compare(self, reference: Prepared, seen: Prepared) -> float:
        """Return the score of `seen` against `reference`, at most 100.

        Raises ValueError where their shapes differ.
        """
        from .ssimulacra2_scales import norms  # noqa: PLC0415

        return score(norms(reference, seen))


def load() -> Ssimulacra2:
    """Return the instrument."""
    return Ssimulacra2()


def score(norms: NDArray[np.float64]) -> float:
    """Return the score of norms in the order of the weights; fewer norms take the first of the weights."""
    error = 0.9562382616834844 * float(norms @ np.array(WEIGHTS[: len(norms)]))
    error = 2.326765642916932 * error - 0.020884521182843837 * error**2 + 6.248496625763138e-05 * error**3
    return 100 - 10 * error**0.6276336467831387 if error > 0 else 100.0
