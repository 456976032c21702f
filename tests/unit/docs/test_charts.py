"""The charts of the documents are drawn from the figures as they are recorded, and need no colours."""

from __future__ import annotations

import copy
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from benchmarks.distribution import SHARES, curve, percentiles, quantiles, written
from hack.charts.charts import CHARTS, DRAWN, draw
from hack.charts.drawing import look, svg
from hack.charts.operator import latency
from hack.charts.rollouts import roll_outs
from tests.docs.blocks import documents

EXPECTED_POINTS = 22


def recorded(name: str) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(DRAWN[name][0].read_text())
    return figures


def texts(drawn: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]


def shown(name: str, results: dict[str, Any]) -> str:
    with look():
        return svg(DRAWN[name][1](results))


@pytest.mark.parametrize("name", DRAWN)
def test_a_chart_is_drawn_from_what_is_recorded_now(name: str) -> None:
    assert (CHARTS / f"{name}.svg").read_text(encoding="utf-8") == draw(name), "run make docs"


def test_every_chart_is_in_a_document_and_has_figures() -> None:
    assert {path.stem for path in CHARTS.glob("*")} == set(DRAWN)
    shown_in = "\n".join(path.read_text(encoding="utf-8") for path in documents())
    assert [name for name in DRAWN if f"(charts/{name}.svg)" not in shown_in] == []


@pytest.mark.parametrize("name", DRAWN)
def test_a_chart_has_no_colours_loads_nothing_and_is_small(name: str) -> None:
    text = (CHARTS / f"{name}.svg").read_text(encoding="utf-8")

    colours = {each.lower() for each in re.findall(r"#[0-9a-fA-F]{6}\b", text)}
    assert {each for each in colours if not each[1:3] == each[3:5] == each[5:7]} == set()
    links = [
        value for each in ET.fromstring(text).iter() for key, value in each.items() if key.endswith("href")
    ]
    assert [link for link in links if not link.startswith("#")] == []
    assert len(text) < 100_000
    assert texts(text)


def test_a_changed_figure_changes_the_chart() -> None:
    results = recorded("peers")
    results["figures"]["kro"]["ready_seconds"] = 98.7

    assert "98.7" in texts(shown("peers", results))
    assert "98.7" not in texts(draw("peers"))


def test_what_was_not_measured_is_left_out() -> None:
    results = recorded("cost")
    for figures in results["sizes"].values():
        figures.pop("ceiling", None)

    assert "operator" in texts(shown("cost", results))
    assert "Service and Deployment alone" not in texts(shown("cost", results))


def test_a_recording_with_time_lines_shows_them() -> None:
    results = recorded("roll-outs")
    before = texts(shown("roll-outs", results))
    for part in ("at_once", "sliding", "batches"):
        times = quantiles((number / 100 for number in range(500)), digits=3)
        results["figures"][part] |= {"moved_quantiles": times, "arrived_quantiles": times}

    with look():
        made = roll_outs(results)

    assert "Instances Ready with it" in [panel.get_title(loc="left") for panel in made.axes]
    assert [len(line.get_xdata()) for line in made.axes[0].lines] == [EXPECTED_POINTS] * 3  # type: ignore[arg-type]
    assert (
        "Instances Ready with it" not in before
        or "moved_quantiles" in recorded("roll-outs")["figures"]["sliding"]
    )


def test_a_recording_with_quantiles_shows_whole_curves() -> None:
    results = copy.deepcopy(recorded("latency"))
    single = results["sizes"]["1000"]["single"]
    single["to_deployment_ms"] = percentiles(number / 1000 for number in range(1, 101))

    with look():
        made = latency(results)

    drawn = {line.get_label(): line for line in made.axes[0].lines}
    assert list(drawn["1,000 instances"].get_ydata()) == [100 * share for share in SHARES]  # type: ignore[arg-type]


def test_percentiles_and_quantiles_are_of_the_values_themselves_in_milliseconds() -> None:
    figures = percentiles(number / 1000 for number in range(1, 101))

    assert (figures["p50"], figures["p99"]) == (50.0, 99.0)
    assert figures["quantiles"][:3] == [1.0, 5.0, 10.0]
    assert figures["quantiles"][-2:] == [99.0, 100.0]
    assert len(figures["quantiles"]) == len(SHARES) == EXPECTED_POINTS


def test_an_early_recording_gives_two_points() -> None:
    assert curve({"p50": 3.0, "p99": 9.0}) == ([3.0, 9.0], [50, 99])
    assert curve({"p50_ms": 3.0, "p99_ms": 9.0}) == ([3.0, 9.0], [50, 99])


def test_results_are_written_as_json_with_lists_of_numbers_on_one_line(tmp_path: Path) -> None:
    results = {"a": {"quantiles": [1.0, 2.5, -3e-05]}, "b": [], "c": ["x", "y"], "d": [{"e": 1}]}

    text = written(results)

    assert json.loads(text) == results
    assert '"quantiles": [1.0, 2.5, -3e-05]' in text


def test_a_recording_with_the_bare_client_shows_the_ratios_over_it() -> None:
    results = recorded("cost")
    for figures in results["sizes"].values():
        figures["replay"] = {step: figures[step] for step in ("create", "single", "edit") if step in figures}

    drawn = texts(shown("cost", results))

    assert "Time over the bare client's" in drawn
    assert "all Ready, bare client" in drawn
    assert "… with the bare client" in drawn
