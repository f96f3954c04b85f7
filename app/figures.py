"""A finished run as plotly figures; pure functions, no server."""

from __future__ import annotations

from typing import Any

from plotly.graph_objects import Figure

from lookahead import metrics
from lookahead.node_metrics import calibration
from lookahead.records import RunRecord

ACCEPTED, DRAFTED, INK = "#2B8CC4", "#C4691C", "#7A7F87"
"""Readable on white and on near-black alike."""


def all_figures(run: RunRecord) -> tuple[Figure, ...]:
    """The five figures, in the order of the page."""
    return (
        accepted_per_step(run),
        accepted_histogram(run),
        drafted_against_accepted(run),
        time_against_width(run),
        calibration_figure(run),
    )


def accepted_per_step(run: RunRecord) -> Figure:
    """Accepted draft tokens of every decode step, and the width that was drafted for them."""
    steps = list(metrics.decode_steps(run.steps))
    places = [step.index for step, _ in steps]
    drafted = {"type": "scatter", "mode": "lines", "name": "drafted", "line": {"color": DRAFTED, "dash": "dot"}}
    drafted |= {"x": places, "y": [len(draft) - 1 for _, draft in steps]}
    accepted = {"type": "bar", "name": "accepted", "marker": {"color": ACCEPTED}}
    accepted |= {"x": places, "y": [len(step.accepted_nodes) for step, _ in steps]}
    return _figure("Accepted tokens, step by step", "step", "draft tokens", [accepted, drafted])


def accepted_histogram(run: RunRecord) -> Figure:
    """How many decode steps accepted how many draft tokens."""
    counts = metrics.accepted_length_histogram(run.steps)
    bars = {"type": "bar", "x": list(counts), "y": list(counts.values()), "marker": {"color": ACCEPTED}}
    return _figure("How often so many were accepted", "accepted draft tokens", "steps", [bars])


def drafted_against_accepted(run: RunRecord) -> Figure:
    """Width drafted against tokens accepted, a dot a step; on the line every guess was right."""
    steps = list(metrics.decode_steps(run.steps))
    widest = max((len(draft) - 1 for _, draft in steps), default=1)
    dots = {"type": "scatter", "mode": "markers", "name": "steps", "marker": {"color": ACCEPTED, "opacity": 0.5}}
    dots |= {"x": [len(draft) - 1 for _, draft in steps], "y": [len(step.accepted_nodes) for step, _ in steps]}
    return _figure(
        "Width drafted against accepted", "draft tokens", "accepted", [dots, _line(0, widest, "every guess right")]
    )


def time_against_width(run: RunRecord) -> Figure:
    """Time of every pass against its tokens, with the T(n) that was measured at load."""
    steps = list(metrics.decode_steps(run.steps))
    dots = {"type": "scatter", "mode": "markers", "name": "this run", "marker": {"color": ACCEPTED, "opacity": 0.5}}
    dots |= {
        "x": [len(draft) for _, draft in steps],
        "y": [1000 * step.timings.forward_seconds for step, _ in steps],
    }
    traces = [dots]
    if run.pass_costs is not None:
        line = {"type": "scatter", "mode": "lines+markers", "name": "T(n)", "line": {"color": DRAFTED, "dash": "dot"}}
        line |= {
            "x": list(run.pass_costs.lengths),
            "y": [1000 * seconds for seconds in run.pass_costs.seconds],
        }
        traces.append(line)
    return _figure("Time of a pass against its width", "tokens in the pass", "ms", traces)


def calibration_figure(run: RunRecord) -> Figure:
    """Estimated against observed acceptance of the draft nodes, in tenths; on the line the estimates were right."""
    bins = calibration(run.steps)
    dots = {"type": "scatter", "mode": "lines+markers", "name": "observed", "line": {"color": ACCEPTED}}
    dots |= {
        "x": [found.estimated for found in bins],
        "y": [found.observed for found in bins],
        "text": [f"{found.nodes} nodes" for found in bins],
    }
    return _figure(
        "Estimated against observed acceptance", "estimated", "observed", [dots, _line(0, 1, "right estimates")]
    )


def _line(low: float, high: float, name: str) -> dict[str, Any]:
    """The diagonal."""
    line = {"color": INK, "dash": "dot", "width": 1}
    return {"type": "scatter", "mode": "lines", "name": name, "x": [low, high], "y": [low, high], "line": line}


def _figure(title: str, across: str, up: str, traces: list[dict[str, Any]]) -> Figure:
    def axis(name: str) -> dict[str, Any]:
        return {"title": {"text": name}, "gridcolor": "rgba(128,128,128,.22)", "zeroline": False, "rangemode": "tozero"}

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
        "xaxis": axis(across),
        "yaxis": axis(up),
    }
    return Figure({"data": traces, "layout": layout})
