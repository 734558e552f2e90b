"""Neural codecs compared with each other: fixed rate, variable rate, pruned."""

from __future__ import annotations

from dataclasses import replace

from .parts.kind import Drawing, Kind
from .parts.material import Material, NothingToDraw
from .parts.needs import NEURAL, ROWS, neural
from .rates.curves import RATE_CURVES
from .spectra.radial import PSD_RADIAL


def neural_variants(material: Material) -> tuple[Drawing, ...]:
    """Return the neural codecs' rate curves and, where there are spectra, their D, G and R."""
    names = neural(material)
    neural_only = replace(
        material,
        rows=material.rows[material.rows["codec"].isin(names)],
        spectra=material.spectra[material.spectra["codec"].isin(["", *names])],
    )
    (curves,) = RATE_CURVES.draw(neural_only)
    drawings = [replace(curves, suffix="rate", about="PSNR over bpp of the neural codecs, on clean images and by band")]
    try:
        (spectra,) = PSD_RADIAL.draw(neural_only)
    except NothingToDraw as reason:
        return (replace(drawings[0], note=f"The spectra are not drawn: {reason}"),)
    about = "D, G and R of the neural codecs over the distance from frequency 0, by band"
    return (*drawings, replace(spectra, suffix="radial", about=about))


KINDS = (
    Kind(
        name="neural-variants",
        about="Neural codecs compared: rate curves, and D, G and R by band",
        rule="Rate curves: each mark is one setting, the mean over images, then over the corruptions and severities of "
        "the band; a setting needs all of them. Spectra: each codec is used at its setting nearest the target rate on "
        "clean images. The numbers of rows and spectra count those of neural codecs only.",
        needs=(NEURAL, ROWS),
        plot=neural_variants,
    ),
)
