"""A small line chart as a static SVG file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from forebear.checkpoint.writer import write_aside

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 40, 52
COLOURS = ("#0b6e99", "#b3541e", "#4b7f3a", "#7a4fa3")
"""Told apart by every common form of colour blindness in this order, and each line has a mark of its own."""
_MARKS = ("circle", "square", "diamond", "triangle")


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        name: in the legend.
        values: one a place on the x axis; None leaves a gap.
    """

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Chart:
    """Lines over places that stand at equal distances.

    Attributes:
        title: what it shows, in words.
        x_title, y_title: of the axes.
        places: labels of the x axis.
        lines: at most four.
        bounds: least and largest y.
        ticks: of the y axis.
        level: height of a dashed line and its name; None where there is none.
    """

    title: str
    x_title: str
    y_title: str
    places: Sequence[str]
    lines: Sequence[Line]
    bounds: tuple[float, float]
    ticks: Sequence[float]
    level: tuple[float, str] | None = None


def write_chart(path: Path, chart: Chart) -> None:
    """Writes the file aside, then puts it in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(path, [drawn(chart).encode("utf-8")])


def drawn(chart: Chart) -> str:
    """The chart as SVG text."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(chart.title)}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 20, chart.title, size=14),
        *_axes(chart),
        *(piece for number, line in enumerate(chart.lines) for piece in _line(chart, line, number)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _axes(chart: Chart) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#444444"/>']
    for tick in chart.ticks:
        y = _y(chart, tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#dddddd"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{tick:g}", anchor="end"))
    for number, label in enumerate(chart.places):
        parts.append(_text(_x(chart, number), bottom + 18, label, anchor="middle"))
    if chart.level is not None:
        y = _y(chart, chart.level[0])
        parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#444444" stroke-dasharray="4 3"/>')
        parts.append(_text(right + 8, y + 4, chart.level[1]))
    parts.append(_text((LEFT + right) / 2, HEIGHT - 12, chart.x_title, anchor="middle"))
    middle = (TOP + bottom) / 2
    turned = f'transform="rotate(-90 16 {middle:.0f})"'
    parts.append(_text(16, middle, chart.y_title, anchor="middle", more=turned))
    return parts


def _line(chart: Chart, line: Line, number: int) -> list[str]:
    colour, mark = COLOURS[number], _MARKS[number]
    known = [(_x(chart, place), _y(chart, value)) for place, value in enumerate(line.values) if value is not None]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in known)
    row = TOP + 40 + 22 * number
    return [
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *(_mark(mark, x, y, colour) for x, y in known),
        _mark(mark, WIDTH - RIGHT + 14, row - 4, colour),
        _text(WIDTH - RIGHT + 24, row, line.name),
    ]


def _mark(mark: str, x: float, y: float, colour: str) -> str:
    if mark == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    shape = {"square": "-4 -4h8v8h-8z", "diamond": "0 -5l5 5l-5 5l-5 -5z", "triangle": "0 -5l5 9h-10z"}[mark]
    return f'<path transform="translate({x:.1f} {y:.1f})" d="M{shape}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, more: str = "") -> str:
    inside = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="#222222" {more}'.strip()
    return f"<text {inside}>{escape(text)}</text>"


def _x(chart: Chart, place: int) -> float:
    inner = WIDTH - LEFT - RIGHT - 36
    return LEFT + 18 + inner * place / max(len(chart.places) - 1, 1)


def _y(chart: Chart, value: float) -> float:
    low, high = chart.bounds
    inside = min(max(value, low), high)
    return TOP + (HEIGHT - TOP - BOTTOM) * (high - inside) / (high - low)
