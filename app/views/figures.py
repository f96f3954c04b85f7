"""A finished run as plotly figures; pure functions, no server."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

from plotly.graph_objects import Figure

from lookahead import metrics
from lookahead.metrics import acceptance_by_depth, acceptance_by_source, calibration, in_ranges
from lookahead.records import RunRecord

ACCEPTED, DRAFTED, INK = "#2B8CC4", "#C4691C", "#7A7F87"
"""Readable on white and on near-black."""


def all_figures(run: RunRecord) -> tuple[Figure, ...]:
    """The six figures, in the order of the page."""
    return (
        accepted_per_step(run),
        accepted_histogram(run),
        drafted_against_accepted(run),
        time_against_width(run),
        calibration_figure(run),
        acceptance_figure(run),
    )


def accepted_per_step(run: RunRecord) -> Figure:
    """Accepted draft tokens of every decode step, and the drafted ones."""
    steps = list(metrics.decode_steps(run.steps))
    places = [step.index for step, _ in steps]
    widths = [len(draft) - 1 for _, draft in steps]
    taken = [len(step.accepted_nodes) for step, _ in steps]
    accepted = _trace(places, taken, type="bar", name="accepted", marker={"color": ACCEPTED}, width=0.8)
    drafted = _trace(places, widths, mode="lines", name="drafted", line={"color": DRAFTED, "dash": "dot"})
    across, up = _whole("step", max(places, default=1), 0.5), _whole("draft tokens", max(widths, default=0))
    return _figure("Accepted tokens, step by step", across, up, [accepted, drafted])


def accepted_histogram(run: RunRecord) -> Figure:
    """How many decode steps accepted how many draft tokens."""
    counts = metrics.accepted_length_histogram(run.steps)
    bars = _trace(list(counts), list(counts.values()), type="bar", marker={"color": ACCEPTED}, width=0.8)
    across = _whole("accepted draft tokens", max(counts, default=0), -0.5)
    up = _whole("steps", max(counts.values(), default=1))
    return _figure("How many draft tokens a step accepts", across, up, [bars])


def drafted_against_accepted(run: RunRecord) -> Figure:
    """Tokens drafted and accepted per step. A larger dot is more steps; on the line every guess was right."""
    places = Counter((len(draft) - 1, len(step.accepted_nodes)) for step, draft in metrics.decode_steps(run.steps))
    widest = max((drafted for drafted, _ in places), default=1)
    dots = _dots("steps", list(places), list(places.values()), "steps")
    return _figure(
        "Drafted and accepted tokens per step",
        _whole("draft tokens", widest),
        _whole("accepted", widest),
        [dots, _line(0, widest, "every guess right")],
    )


def time_against_width(run: RunRecord) -> Figure:
    """Time of every pass against its tokens, and the T(n) that was measured at load."""
    steps = list(metrics.decode_steps(run.steps))
    widths, times = [len(draft) for _, draft in steps], [1000 * step.timings.forward_seconds for step, _ in steps]
    traces = [_trace(widths, times, mode="markers", name="this run", marker={"color": ACCEPTED, "size": 7})]
    if (costs := run.pass_costs) is not None:
        known = [1000 * seconds for seconds in costs.seconds]
        line = {"color": DRAFTED, "dash": "dot"}
        traces.append(_trace(list(costs.lengths), known, mode="lines+markers", name="T(n)", line=line))
    widest = max((max(trace["x"], default=1) for trace in traces), default=1)
    return _figure("Time of a pass by its width", _whole("tokens in the pass", widest), _axis("ms"), traces)


def calibration_figure(run: RunRecord) -> Figure:
    """Estimated against observed acceptance of the draft nodes, in tenths; on the line the estimate was right."""
    bins = calibration(run.steps)
    places = [(found.estimated, found.observed) for found in bins]
    dots = _dots("observed", places, [found.nodes for found in bins], "nodes")
    shares = {"range": [-0.04, 1.04], "tickformat": ".0%", "dtick": 0.25}
    return _figure(
        "Estimated against observed acceptance",
        _axis("estimated (larger dot: more nodes)") | shares,
        _axis("observed") | shares,
        [dots, _line(0, 1, "perfect estimates")],
    )


def acceptance_figure(run: RunRecord) -> Figure:
    """Shares of the draft tokens that were accepted, rejected and unchecked, by source and by depth."""
    kinds = acceptance_by_source(run.steps)
    kinds |= {f"depth {label}": kind for label, kind in in_ranges(acceptance_by_depth(run.steps)).items()}
    shares = {
        ("accepted", ACCEPTED, ""): [kind.accepted for kind in kinds.values()],
        ("rejected", DRAFTED, "/"): [kind.checked - kind.accepted for kind in kinds.values()],
        ("unchecked", INK, "."): [kind.drafted - kind.checked for kind in kinds.values()],
    }
    drafted = [kind.drafted for kind in kinds.values()]
    bars = [
        _trace(
            list(kinds),
            [count / whole for count, whole in zip(counts, drafted, strict=True)],
            type="bar",
            name=name,
            marker={"color": color, "pattern": {"shape": pattern}, "line": {"color": color, "width": 1}},
            text=[f"{count} of {whole}" for count, whole in zip(counts, drafted, strict=True)],
            textposition="none",
        )
        for (name, color, pattern), counts in shares.items()
    ]
    across, up = {"type": "category"}, _axis("of the draft tokens") | {"range": [0, 1], "tickformat": ".0%"}
    return _figure("Draft tokens by source and by depth", across, up, bars).update_layout(barmode="stack")


def _trace(across: Sequence[float | str], up: Sequence[float], **look: Any) -> dict[str, Any]:
    return {"type": "scatter", "x": across, "y": up, **look}


def _dots(name: str, places: Sequence[tuple[float, float]], counts: Sequence[int], noun: str) -> dict[str, Any]:
    """One dot per place; its area grows with the count there."""
    most = max(counts, default=1)
    sizes = [6 + 14 * (count / most) ** 0.5 for count in counts]
    across, up = [across for across, _ in places], [up for _, up in places]
    marker = {"color": ACCEPTED, "size": sizes, "opacity": 0.8, "line": {"width": 0}}
    says = [f"{count} {noun}" for count in counts]
    return _trace(across, up, mode="markers", name=name, cliponaxis=False, marker=marker, text=says)


def _line(low: float, high: float, name: str) -> dict[str, Any]:
    """The diagonal."""
    return _trace([low, high], [low, high], mode="lines", name=name, line={"color": INK, "dash": "dot", "width": 1})


def _axis(name: str) -> dict[str, Any]:
    return {"title": {"text": name}, "gridcolor": "rgba(128,128,128,.22)", "zeroline": False, "rangemode": "tozero"}


def _whole(name: str, highest: float, low: float = 0.0) -> dict[str, Any]:
    """An axis of counts, with about seven ticks at most, all at whole numbers."""
    return _axis(name) | {"tick0": 0, "dtick": whole_step(highest), "range": [low, max(highest, 1) + 0.5]}


def whole_step(highest: float, ticks: int = 7) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that reaches ``highest`` in that many ticks.

    >>> whole_step(3), whole_step(31), whole_step(500)
    (1, 5, 100)
    """
    steps = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    return next(step for step in steps if step * ticks >= highest)


def _figure(title: str, across: dict[str, Any], up: dict[str, Any], traces: list[dict[str, Any]]) -> Figure:
    layout = {
        "template": {},
        "title": {"text": title, "font": {"size": 14}, "x": 0.02, "y": 0.97, "yanchor": "top"},
        "font": {"color": INK, "family": "system-ui, sans-serif", "size": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "height": 280,
        "margin": {"l": 52, "r": 16, "t": 68, "b": 44},
        "showlegend": len(traces) > 1,
        "legend": {"x": 0, "y": 1.02, "orientation": "h", "yanchor": "bottom"},
        "bargap": 0.15,
        "xaxis": across,
        "yaxis": up,
    }
    return Figure({"data": traces, "layout": layout})
