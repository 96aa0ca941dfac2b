"""Coordinates of the report's small figures: numbers in, shapes for the SVG templates out.

Nothing here writes markup; the templates do, so that everything drawn passes through one escaping.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forebear.evidence.finding import Finding
from forebear.report.plain import number
from forebear.report.steps import runs
from forebear.verdict.comparison import ClassPower, Retention

LAID_OUT = " (laid out by content)"
CHANCE_BAND = 3.0  # |z| that independent models stay within
WIDTH = 300.0
HEIGHT = 150.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 10.0, 12.0, 31.0


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis, in SVG units."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from the zero line; ``within`` says whether it stays inside the chance band."""

    x: float
    y: float
    width: float
    height: float
    within: bool
    label: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One small figure.

    Attributes:
        title: what it shows, in words.
        description: the same for a reader who cannot see it.
        x_ticks: ticks below.
        y_ticks: ticks at the left.
        line: the main curve as SVG points; empty where there is none.
        dots: the curve's points.
        faint: curves drawn behind it, one a layer.
        bars: bars, for figures by layer.
        band: top and height of a shaded band; None where there is none.
        level: height of the reference line; None where there is none.
        note: said instead of a figure, where there is none to draw.
    """

    title: str
    description: str
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    line: str = ""
    dots: tuple[tuple[float, float], ...] = ()
    faint: tuple[str, ...] = ()
    bars: tuple[Bar, ...] = ()
    band: tuple[float, float] | None = None
    level: float | None = None
    note: str | None = None
    x_title: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """One layer of the model and, where it has one, the layer of the reference it was compared with."""

    layer: int
    x: float
    partner: int | None
    partner_x: float | None


@dataclass(frozen=True, slots=True)
class LayerMap:
    """Two rows of layers and the lines between them; of each reference layer also whether the model has it."""

    links: tuple[Link, ...]
    reference: tuple[tuple[int, float, bool], ...]
    cell: float
    labelled: int
    description: str


def layer_map(mapping: Sequence[int | None], reference_layers: int | None) -> LayerMap | None:
    """Two rows of layers, joined.

    Args:
        mapping: for each layer of the model the reference's layer, or None.
        reference_layers: depth of the reference; None where unknown (then as many as the map names).
    """
    if not mapping:
        return None
    depth = max(reference_layers or 0, max((each for each in mapping if each is not None), default=-1) + 1)
    step = 640.0 / max(len(mapping), depth, 8)
    centres = [step * (index + 0.5) for index in range(max(len(mapping), depth))]
    links = tuple(
        Link(layer, centres[layer], partner, None if partner is None else centres[partner])
        for layer, partner in enumerate(mapping)
    )
    used = set(mapping)
    labelled = 1 if step >= 20 else 4 if step >= 7 else 10
    reference = tuple((index, centres[index], index in used) for index in range(depth))
    return LayerMap(links, reference, min(step * 0.72, 26.0), labelled, layer_map_text(mapping, depth))


def layer_map_text(mapping: Sequence[int | None], depth: int) -> str:
    """Which layers correspond, which are new, repeated or left out, in words; layers are counted from 0.

    Args:
        mapping: for each layer of the model the reference's layer, or None.
        depth: layers of the reference.
    """
    if list(mapping) == list(range(depth)):
        return "Each layer of the model was compared with the reference's layer of the same number."
    mapped = [each for each in mapping if each is not None]
    told = f"{len(mapped)} of {len(mapping)} layers of the model were compared with a layer of the reference"
    told += ", in another order." if mapped != sorted(mapped) else "."
    stretches = {
        "Without a counterpart in the reference": [layer for layer, each in enumerate(mapping) if each is None],
        "Compared more than once": sorted({each for each in mapped if mapped.count(each) > 1}),
        "Of the reference, compared with none": [layer for layer in range(depth) if layer not in mapped],
    }
    return " ".join([told, *(f"{words}: {runs(layers)}." for words, layers in stretches.items() if layers)])


def retention_panels(retention: dict[str, Retention]) -> list[Panel]:
    """One panel a direction, with one scale, so that the flatter curve is seen to be the flatter."""
    shown = [each for each in retention.values() if each.curve]
    values = [1.0, 0.0] + [value for each in shown for curve in (each.curve, *each.curve_by_layer) for value in curve]
    low, high = min(values), max(1.25, *values)
    return [_retention_panel(name, each, low, high) for name, each in retention.items()]


def layer_panel(finding: Finding) -> Panel:
    """A test's statistic for each layer as bars, with the band independent models stay within."""
    values = finding.by_layer
    known = [value for value in values if value is not None]
    if not known:
        return Panel(finding.title, finding.title, note=finding.reason or "no figures by layer")
    low, high = min(0.0, *known, -CHANCE_BAND), max(0.0, *known, CHANCE_BAND)
    slot = (WIDTH - LEFT - RIGHT) / len(values)
    zero = _y(0.0, low, high)
    bars = tuple(
        Bar(
            x=LEFT + slot * (index + 0.14),
            y=min(zero, _y(value, low, high)),
            width=slot * 0.72,
            height=max(abs(_y(value, low, high) - zero), 0.6),
            within=abs(value) <= CHANCE_BAND,
            label=f"layer {index}: {number(value)}",
        )
        for index, value in enumerate(values)
        if value is not None
    )
    band_top = _y(CHANCE_BAND, low, high)
    outside = sum(abs(value) > CHANCE_BAND for value in known)
    return Panel(
        title=f"{finding.test}: {finding.title}{LAID_OUT if finding.frame == 'fitted' else ''}",
        description=f"{outside} of {len(known)} layers outside the band of chance; "
        f"from {number(min(known))} to {number(max(known))}.",
        x_ticks=_layer_ticks(len(values), slot),
        y_ticks=_ticks(low, high),
        bars=bars,
        band=(band_top, _y(-CHANCE_BAND, low, high) - band_top),
        level=zero,
        x_title="layer",
    )


def power_panel(name: str, power: ClassPower) -> Panel:
    """The smallest cosine found in every draw, for several shares of inherited neurons."""
    points = sorted((each.share, each.cosine) for each in power.curve if each.cosine is not None)
    if not points:
        reason = power.reason or "not found in every draw even at cosine 1"
        return Panel(name, reason, note=reason)
    places = tuple((_x(index, len(points)), _y(cosine, 0.0, 1.0)) for index, (_, cosine) in enumerate(points))
    ticks = tuple(Tick(x, f"{100 * share:.3g}%") for (x, _), (share, _) in zip(places, points, strict=True))
    told = ", ".join(f"{100 * share:.3g} % of neurons from cosine {number(cosine)}" for share, cosine in points)
    return Panel(
        title=name,
        description=f"Found in every draw: {told}.",
        x_ticks=ticks,
        y_ticks=tuple(Tick(_y(value, 0.0, 1.0), number(value)) for value in (0.0, 0.5, 1.0)),
        line=_points(places),
        dots=places,
        x_title="share of neurons inherited",
    )


def _retention_panel(name: str, retention: Retention, low: float, high: float) -> Panel:
    title = name[0].upper() + name[1:]
    if not retention.curve:
        return Panel(title, "not computable", note="not computable")
    places = tuple(
        (_x(index, len(retention.curve)), _y(value, low, high)) for index, value in enumerate(retention.curve)
    )
    faint = tuple(
        _points([(_x(index, len(curve)), _y(value, low, high)) for index, value in enumerate(curve)])
        for curve in retention.curve_by_layer
    )
    first, last = retention.curve[0], retention.curve[-1]
    return Panel(
        title=title,
        description=f"Relative overlap {number(first)} in the leading directions, {number(last)} in the last.",
        x_ticks=tuple(Tick(x, str(index + 1)) for index, (x, _) in enumerate(places)),
        y_ticks=_ticks(low, high),
        line=_points(places),
        dots=places,
        faint=faint,
        level=_y(1.0, low, high),
        x_title="bin of equal energy, leading directions first",
    )


def _x(index: int, count: int) -> float:
    inner = WIDTH - LEFT - RIGHT - 24
    return LEFT + 12 + (inner * index / (count - 1) if count > 1 else inner / 2)


def _y(value: float, low: float, high: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)


def _points(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _ticks(low: float, high: float) -> tuple[Tick, ...]:
    step = _round_step((high - low) / 3)
    first = int(low / step) - 1
    marks = [index * step for index in range(first, first + 12) if low <= index * step <= high]
    return tuple(Tick(_y(mark, low, high), f"{mark:,.6g}") for mark in marks)


def _round_step(rough: float) -> float:
    magnitude = 1.0
    while magnitude > rough:
        magnitude /= 10
    while magnitude * 10 <= rough:
        magnitude *= 10
    return next(magnitude * factor for factor in (1, 2, 5, 10) if magnitude * factor >= rough)


def _layer_ticks(layers: int, slot: float) -> tuple[Tick, ...]:
    every = next(step for step in (1, 2, 4, 8, 16, 32, 64, layers) if slot * step >= 16 or step == layers)
    return tuple(Tick(LEFT + slot * (index + 0.5), str(index)) for index in range(0, layers, every))
