"""What all charts have in common: one look, and the same bytes for the same figures."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes


_LOOK: Any = {
    "svg.fonttype": "none",  # text stays text: small files, and words that can be searched
    "svg.hashsalt": "model-operator",  # the ids of clips and marks are the same in each run
    "font.family": ["DejaVu Sans", "sans-serif"],  # comes with matplotlib
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.88",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "path.simplify": False,
}
_WIDE = 30
"""From this ratio of the longest to the shortest time on, a logarithmic scale has fewer marks."""
PANEL_INCHES = (3.6, 2.6)
"""Width and height of one panel."""


_NUMBER = FuncFormatter(lambda value, _: f"{value:,g}")


class Style(NamedTuple):
    """How a series differs from the others without colours: as a line, and as a bar."""

    marker: str
    dashes: str
    grey: str
    hatch: str
    fill: str

    @property
    def line(self) -> dict[str, Any]:
        """The arguments of a line."""
        return {
            "marker": self.marker,
            "linestyle": self.dashes,
            "color": self.grey,
            "markerfacecolor": self.fill,
            "markeredgecolor": self.grey,
        }

    @property
    def bar(self) -> dict[str, Any]:
        """The arguments of a bar."""
        return {"facecolor": self.fill, "edgecolor": "0.0", "hatch": self.hatch, "linewidth": 0.7}


STYLES = (
    Style("o", "-", "0.0", "", "0.25"),
    Style("s", "--", "0.0", "////", "1.0"),
    Style("^", "-.", "0.35", "", "0.8"),
    Style("D", ":", "0.35", "....", "1.0"),
    Style("v", (0, (5, 1, 1, 1, 1, 1)), "0.5", "xxxx", "1.0"),  # type: ignore[arg-type]
)


class Series(NamedTuple):
    """One line: its label, and its points."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


def figure(columns: int, rows: int = 1, height: float = PANEL_INCHES[1]) -> tuple[Figure, list[Axes]]:
    """Give an empty figure with so many panels, and its panels row by row."""
    made = Figure(figsize=(PANEL_INCHES[0] * columns, height * rows), layout="constrained")
    FigureCanvasSVG(made)
    return made, list(made.subplots(rows, columns, squeeze=False).flat)


def lines(panel: Axes, title: str, unit: str, series: Sequence[Series]) -> None:
    """Draw lines over the number of instances, on a logarithmic scale; one without points is left out."""
    for style, each in zip(STYLES, series, strict=False):
        if each.x:
            panel.plot(each.x, each.y, label=each.label, **style.line)
    ticks = sorted({x for each in series for x in each.x})
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(FixedLocator(ticks))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(_NUMBER)
    # The legend is above the lines, never across them.
    panel.set_ylim(0, 1.45 * max((y for each in series for y in each.y), default=1))
    panel.set_title(title, loc="left")
    panel.set_xlabel("instances")
    panel.set_ylabel(unit)
    if ticks:
        panel.legend(loc="upper left")


def curves(panel: Axes, title: str, series: Sequence[Series]) -> None:
    """Draw how many percent took no longer than a time, in milliseconds on a logarithmic scale."""
    for style, each in zip(STYLES, series, strict=False):
        panel.plot(each.x, each.y, label=each.label, **style.line)
    panel.set_xscale("log")
    drawn = [x for each in series for x in each.x]
    is_wide = drawn and max(drawn) > _WIDE * min(drawn)
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 3) if is_wide else (1, 2, 5)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(_NUMBER)
    panel.set_ylim(0, 104)
    panel.set_yticks([0, 25, 50, 75, 99], ["0 %", "25 %", "p50", "75 %", "p99"])
    panel.set_title(title, loc="left")
    panel.set_xlabel("ms")
    panel.legend(loc="lower right")


def bars(
    panel: Axes, title: str, unit: str, groups: Mapping[str, Mapping[str, float]], digits: int = 1
) -> None:
    """Draw horizontal bars, each with its figure.

    Parameters
    ----------
    panel
        Where.
    title, unit
        What, and in which unit.
    groups
        By the name of a group, of which each has its place on the axis: figures by the name of a series.
    digits
        Of the figures, after the point.
    """
    names = list(dict.fromkeys(name for figures in groups.values() for name in figures))
    styles = dict(zip(names, STYLES, strict=False))
    thickness = 0.8 / len(names)
    for place, figures in enumerate(groups.values()):
        for name, value in figures.items():
            at = place + (names.index(name) - (len(names) - 1) / 2) * thickness
            label = name if name not in panel.get_legend_handles_labels()[1] else None
            panel.barh(at, value, thickness, label=label, **styles[name].bar)
            panel.annotate(
                f"{value:,.{digits}f}",
                (value, at),
                (3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
    panel.set_yticks(range(len(groups)), list(groups))
    panel.invert_yaxis()
    panel.grid(visible=False, axis="y")
    largest = max(value for figures in groups.values() for value in figures.values())
    panel.set_xlim(0, 1.2 * largest)
    panel.xaxis.set_major_locator(MaxNLocator(5))
    panel.xaxis.set_major_formatter(_NUMBER)
    panel.set_title(title, loc="left")
    panel.set_xlabel(unit)
    if len(names) > 1:
        panel.legend(loc="upper center", bbox_to_anchor=(0.45, -0.22), ncols=2)


def svg(made: Figure) -> str:
    """Give a figure as SVG, without a date or a version, so that the same figures give the same bytes."""
    buffer = io.StringIO()
    made.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    # The font is the same everywhere: said once, not with each text.
    text = re.sub(r"font-family: [^;\"]*; ", "", buffer.getvalue())
    text = text.replace("*{stroke", "text{font-family: 'DejaVu Sans', Verdana, sans-serif} *{stroke", 1)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def look() -> Any:
    """Give the context in which a chart is made and written."""
    return mpl.rc_context(_LOOK)
