"""How figures look: two widths, two sizes of text, colours and maps that all can read, and a legend that fits."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

ONE_COLUMN, TWO_COLUMNS = 3.5, 7.16  # inches: the widths of the field's conferences and journals
TEXT, SMALL, TINY = 8, 7, 6  # points: titles and labels; ticks and legends; numbers inside a panel

# Okabe & Ito's colours, which the colour-blind can tell apart, each with a marker of its own for print in black.
STYLES = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#E69F00", "v"),
    ("#56B4E9", "P"),
    ("#000000", "X"),
    ("#999999", "*"),
)
LINES = ("-", "--", ":")
BAND_COLOURS = {"low": "#56B4E9", "medium": "#E69F00", "high": "#D55E00", "extra": "#999999"}

POWER, ERROR, SIGNED = "viridis", "magma", "RdBu_r"
"""Maps: of power, of errors in a picture, and of what has two sides of a middle. All rise evenly in lightness, the
last from its middle to both ends."""

INK = "0.25"  # the grey of lines that are no codec's


@contextmanager
def plain() -> Iterator[None]:
    """Draw and save by these rules alone, whatever the user's own settings of matplotlib are, in the same bytes."""
    import matplotlib as mpl  # noqa: PLC0415 - heavy

    # Fonts as outlines that journals accept; ids in SVG files from a salt and not from a clock.
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


def sheet(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, which lays out what is drawn on it."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy; and not pyplot, which keeps every figure alive

    return Figure(figsize=(width, height), dpi=200, layout="constrained")


def close_sheet(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches for panels without axes, which stand close to each other."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415 - heavy

    layout = ConstrainedLayoutEngine(w_pad=0.015, h_pad=0.02, wspace=0.01, hspace=0.01)
    return Figure(figsize=(width, height), dpi=200, layout=layout)


def looks(codecs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return how each codec's line looks; past the last colour they come again, dashed and with hollow marks."""
    styles = {}
    for place, codec in enumerate(codecs):
        colour, marker = STYLES[place % len(STYLES)]
        again = place // len(STYLES)
        mark = {"markerfacecolor": "white", "mew": 0.8} if again else {"mew": 0.0}
        styles[codec] = {"color": colour, "marker": marker, "linestyle": LINES[again % len(LINES)], **mark}
    return styles


def tidy(axis: Axes) -> None:
    """Give a panel a light grid, small numbers and no frame above and to the right."""
    axis.grid(visible=True, lw=0.4, color="0.85")
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=SMALL)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def rate_scale(axis: Axes, rates: Iterable[float], side: str = "x") -> None:
    """Make one axis of a panel a log scale of bpp that covers the rates, with round numbers on it."""
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
    """Put one legend above a figure: what is labelled in any of its panels, each once."""
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
    """Put the colour bar of panels that share one above them, its label broken where the figure is narrow."""
    bar = figure.colorbar(image, ax=list(axes), location="top", aspect=50, shrink=0.8, pad=0.02, extend=extend)
    bar.ax.tick_params(labelsize=SMALL, length=2)
    wide = len(label) * 3.9 < 72 * figure.get_figwidth()
    bar.set_label(label if wide else label.replace(" (one scale", "\n(one scale"), fontsize=SMALL)


def legend_columns(labels: Sequence[str], width: float) -> int:
    """Return how many entries of a legend fit beside each other in `width` inches."""
    widest = max(map(len, labels), default=1)
    most = max(1, min(len(labels), int(72 * width / (4.2 * widest + 38))))
    return -(-len(labels) // -(-len(labels) // most)) if labels else 1


def legend_height(labels: Sequence[str], width: float) -> float:
    """Return the inches that a legend takes."""
    return 0.22 + 0.16 * (-(-len(labels) // legend_columns(labels, width)) - 1)


def headed(axis: Axes, name: str, band: str) -> None:
    """Give a panel the name of a corruption and of its band, in two lines where a fifth of the page is too narrow."""
    between = " " if len(name) + len(band) < 22 else "\n"
    axis.set_title(f"{spoken(name)}{between}({band})", fontsize=TINY + 0.4, pad=3)


def wrapped(text: str, inches: float, size: float) -> str:
    """Return a text broken, also at hyphens and at @, into lines that are so wide at most in points of that size."""
    most = max(6, int(72 * inches / (0.56 * size)))
    lines = textwrap.wrap(text.replace("@", "-@"), most, break_long_words=False)
    return "\n".join(lines).replace("-@", "@").replace("-\n@", "\n@")


def widest(texts: Iterable[str], size: float) -> float:
    """Return about how many inches wide the widest line of some texts is in points of that size."""
    return max((len(line) for text in texts for line in text.split("\n")), default=0) * 0.56 * size / 72


def spoken(name: str) -> str:
    """Return a corruption's name as it reads in a figure, e.g. "motion blur"."""
    return "clean" if name == "none" else name.replace("_", " ")


def grid(panels: int, height: float, margin: float, *, share_y: bool = True) -> tuple[Figure, list[Axes]]:
    """Return a figure two columns wide with `panels` alike, each `height` inches high, on one x and mostly y scale.

    `margin` is what stands above and below them, in inches. Rows are of equal length as far as that goes; panels at the
    end of a column have the numbers of the x axis.
    """
    columns = columns_of(panels)
    rows = -(-panels // columns)
    figure = sheet(TWO_COLUMNS * min(1.0, 0.1 + 0.3 * columns), margin + rows * (height + 0.15) + 0.2)
    return figure, _panels(figure, panels, rows, columns, share_y=share_y)


def square_grid(panels: int, title: float) -> tuple[Figure, list[Axes]]:
    """Return a figure of square panels alike, on one scale, with `title` inches above each and a colour bar on top."""
    columns = columns_of(panels)
    rows = -(-panels // columns)
    width = TWO_COLUMNS if columns > 3 else 0.7 + 1.9 * columns
    figure = sheet(width, 0.85 + rows * ((width - 0.55) / columns - 0.12 + title))
    return figure, _panels(figure, panels, rows, columns, share_y=True)


def _panels(figure: Figure, panels: int, rows: int, columns: int, *, share_y: bool) -> list[Axes]:
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=share_y).ravel()
    for axis in axes[panels:]:
        axis.remove()
    for axis in axes[max(0, panels - columns) : panels]:
        axis.tick_params(labelbottom=True)
    return list(axes[:panels])


def columns_of(panels: int) -> int:
    """Return how many panels stand in a row, five at most, so that the last row lacks few."""
    if panels <= 5:
        return max(1, panels)
    return min((5, 4, 3), key=lambda columns: -panels % columns + 1.5 * (columns == 3))


def pages(codecs: Sequence[str], most: int) -> list[tuple[str, list[str]]]:
    """Return codecs in parts of `most` at most, as even as may be, each with what its figure's name ends in."""
    count = -(-len(codecs) // most)
    if count < 2:
        return [("", list(codecs))]
    size = -(-len(codecs) // count)
    return [(str(page + 1), list(codecs[page * size : (page + 1) * size])) for page in range(count)]
