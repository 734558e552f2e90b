"""The look of figures: two widths, three text sizes, accessible colours and colour maps, and a legend that fits."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...conditions import CLEAN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

ONE_COLUMN, TWO_COLUMNS = 3.5, 7.16  # inches: the widths of the field's conferences and journals
FOUR_PANELS = 5.2  # inches: the least width of a figure with four panels in each row
TEXT, SMALL, TINY = 8, 7, 6  # points: titles and labels; ticks and legends; numbers inside a panel

POWER, ERROR, SIGNED = "viridis", "magma", "RdBu_r"
"""Colour maps for power, for errors in a picture, and for signed values. Their lightness changes evenly; that of the
last does so from the middle to both ends."""

INK = "0.25"  # the grey of lines that do not belong to a codec


@contextmanager
def plain() -> Iterator[None]:
    """Draw and save with these settings only, so that the user's matplotlib settings have no effect."""
    import matplotlib as mpl  # noqa: PLC0415 - heavy

    # Fonts in a format that journals accept; ids in SVG files from a fixed salt, so that files are reproducible.
    rules: dict[Any, Any] = {
        "pdf.fonttype": 42,
        "svg.hashsalt": "codecshift",
        "svg.fonttype": "path",
        "image.interpolation": "nearest",
    }
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(rules)
        yield


def sheet(width: float, height: float, layout: Any = "constrained") -> Figure:
    """Return an empty figure of a size in inches, with automatic layout."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy; and not pyplot, which keeps every figure alive

    return Figure(figsize=(width, height), dpi=200, layout=layout)


def close_sheet(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches for panels without axes, close to each other."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415 - heavy

    return sheet(width, height, ConstrainedLayoutEngine(w_pad=0.015, h_pad=0.02, wspace=0.01, hspace=0.01))


def lay_out(figure: Figure) -> None:
    """Place the panels of a figure once and for all, for every format in which it is saved.

    Otherwise each saving would place them anew, which takes longer than to draw them.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")


def tidy(axis: Axes) -> None:
    """Give a panel light grid lines, small numbers and no frame at the top and right."""
    axis.grid(visible=True, lw=0.4, color="0.85")
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=SMALL)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def rate_scale(axis: Axes, rates: Iterable[float], side: str = "x") -> None:
    """Make one axis of a panel a log scale that covers rates, or other positive numbers, with round ticks."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator  # noqa: PLC0415 - heavy

    known = [rate for rate in rates if rate > 0]
    low, high = (min(known), max(known)) if known else (0.1, 1.0)
    spread = max((high / low) ** 0.05, 1.03)
    getattr(axis, f"set_{side}scale")("log")
    getattr(axis, f"set_{side}lim")(low / spread, high * spread)
    by_span = ((150, (1.0,)), (12, (1.0, 3.0)), (4, (1.0, 2.0, 5.0)), (0, (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)))
    steps = next(steps for span, steps in by_span if high / low > span)
    ruler = getattr(axis, f"{side}axis")
    ruler.set_major_locator(LogLocator(subs=steps, numticks=20))
    ruler.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    ruler.set_minor_locator(NullLocator())


def legend(figure: Figure, axes: Iterable[Axes]) -> None:
    """Put one legend above a figure that lists every label of its panels once."""
    entries: dict[str, Artist] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        for handle, label in zip(handles, labels, strict=True):
            entries.setdefault(label, handle)
    columns = legend_columns(list(entries), figure.get_figwidth())
    look: dict[str, Any] = {"ncols": columns, "frameon": False, "fontsize": SMALL}
    figure.legend(list(entries.values()), list(entries), loc="outside upper center", **look)


def colour_bar(
    figure: Figure, image: ScalarMappable, axes: Iterable[Axes], label: str, extend: str = "neither"
) -> None:
    """Put one colour bar above the panels that share it, with its label broken if the figure is narrow."""
    bar = figure.colorbar(image, ax=list(axes), location="top", aspect=50, shrink=0.8, pad=0.02, extend=extend)
    bar.ax.tick_params(labelsize=SMALL, length=2)
    wide = len(label) * 3.9 < 72 * figure.get_figwidth()
    bar.set_label(label if wide else label.replace(" (one scale", "\n(one scale"), fontsize=SMALL)


def legend_columns(labels: Sequence[str], width: float) -> int:
    """Return how many entries of a legend fit side by side in `width` inches."""
    widest = max(map(len, labels), default=1)
    most = max(1, min(len(labels), int(72 * width / (4.2 * widest + 38))))
    return -(-len(labels) // -(-len(labels) // most)) if labels else 1


def legend_height(labels: Sequence[str], width: float) -> float:
    """Return the height of a legend in inches."""
    return 0.22 + 0.16 * (-(-len(labels) // legend_columns(labels, width)) - 1)


def headed(axis: Axes, name: str, band: str) -> None:
    """Title a panel with a corruption and its band, in two lines if one is too wide for a fifth of the page."""
    between = " " if len(name) + len(band) < 22 else "\n"
    axis.set_title(f"{readable(name)}{between}({band})", fontsize=TINY + 0.4, pad=3)


def wrapped(text: str, inches: float, size: float) -> str:
    """Return a text broken, also at hyphens and at @, into lines of at most `inches` in a font size in points."""
    most = max(6, int(72 * inches / (0.56 * size)))
    lines = textwrap.wrap(text.replace("@", "-@"), most, break_long_words=False)
    return "\n".join(lines).replace("-@", "@").replace("-\n@", "\n@")


def label_below(figure: Figure, text: str) -> None:
    """Label the x axes of all panels at once, in several lines if the figure is narrow."""
    figure.supxlabel(wrapped(text, figure.get_figwidth() - 0.3, TEXT), fontsize=TEXT, multialignment="center")


def label_beside(figure: Figure, text: str) -> None:
    """Label the y axes of all panels at once, in several lines if the figure is low."""
    figure.supylabel(wrapped(text, figure.get_figheight() - 0.3, TEXT), fontsize=TEXT, multialignment="center")


def widest(texts: Iterable[str], size: float) -> float:
    """Return the approximate width in inches of the widest line of texts in a font size in points."""
    return max((len(line) for text in texts for line in text.split("\n")), default=0) * 0.56 * size / 72


def readable(name: str) -> str:
    """Return a corruption's name for a figure, e.g. "motion blur"."""
    return "clean" if name == CLEAN else name.replace("_", " ")


def panel_rows(
    panels: int, height: float, margin: float, width: float, *, share_y: bool = True
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `panels` equal panels, each `height` inches high, sharing their x axis.

    `width` is that of the page and `margin` the space above and below the panels, in inches. Rows are as equal in
    length as possible. The last panel of each column shows the numbers of the x axis.
    """
    columns = columns_of(panels, width)
    rows = -(-panels // columns)
    figure = sheet(min(width, TWO_COLUMNS * (0.1 + 0.3 * columns)), margin + rows * (height + 0.15) + 0.2)
    return figure, panels_of(figure, panels, rows, columns, share_y=share_y)


def square_panel_rows(panels: int, title: float, width: float) -> tuple[Figure, list[Axes]]:
    """Return a figure of equal square panels on one scale, with `title` inches above each and room for a colour bar."""
    columns = columns_of(panels, width)
    rows = -(-panels // columns)
    width = width if columns > 3 else min(width, 0.7 + 1.9 * columns)
    figure = sheet(width, 0.85 + rows * ((width - 0.55) / columns - 0.12 + title))
    return figure, panels_of(figure, panels, rows, columns, share_y=True)


def panels_of(figure: Figure, panels: int, rows: int, columns: int, *, share_y: bool) -> list[Axes]:
    """Return `panels` panels of a figure, row by row, sharing their x axis; the lowest of each column number it."""
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=share_y).ravel()
    for axis in axes[panels:]:
        axis.remove()
    for axis in axes[max(0, panels - columns) : panels]:
        axis.tick_params(labelbottom=True)
    return list(axes[:panels])


def columns_of(panels: int, width: float, least: float = 1.4) -> int:
    """Return the number of panels, at least `least` inches wide, in a row, chosen to leave few gaps in the last row."""
    most = max(1, int(width / least))
    if panels <= most:
        return max(1, panels)
    return min(
        range(most, max(most - 3, most // 2), -1), key=lambda columns: -panels % columns + 1.5 * (columns <= most - 2)
    )


def pages(codecs: Sequence[str], most: int) -> list[tuple[str, list[str]]]:
    """Return codecs in pages of at most `most`, as even as possible, each as (suffix of the figure's name, codecs)."""
    count = -(-len(codecs) // most)
    if count < 2:
        return [("", list(codecs))]
    size = -(-len(codecs) // count)
    return [(str(page + 1), list(codecs[page * size : (page + 1) * size])) for page in range(count)]
