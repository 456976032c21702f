"""The alert rules fire when they are to, and not else: the cases of ``*_alerts.yaml``."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from promql_parser import parse_duration

from tests.unit.metrics.promql import NAME, Database, Labels, Samples
from tests.unit.metrics.shipped import PROGRAMS, Program

CASES: dict[str, dict[str, Any]] = {
    program.name: yaml.safe_load(Path(__file__).with_name(f"{program.name}_alerts.yaml").read_text())
    for program in PROGRAMS
}
STEP = 60.0
RULES = {rule["alert"]: rule for program in PROGRAMS for rule in program.alert_rules()}
TESTS = [test for program in PROGRAMS for test in CASES[program.name]["tests"]]


def series(written: dict[str, str]) -> tuple[Labels, Samples]:
    """Read a series in promtool's notation."""
    name, _, labels = written["series"].rstrip("}").partition("{")
    pairs = re.findall(r'(\w+)="([^"]*)"', labels)
    values: list[float] = []
    for word in written["values"].split():
        first, step, count = re.fullmatch(r"(stale|-?\d+)(?:\+(\d+))?(?:x(\d+))?", word).groups()  # type: ignore[union-attr]
        if first == "stale":
            values.append(math.nan)
        else:
            values += [float(first) + number * float(step or 0) for number in range(int(count or 0) + 1)]
    return frozenset([(NAME, name), *pairs]), [(number * STEP, value) for number, value in enumerate(values)]


def firing(rule: dict[str, Any], database: Database, until: float) -> list[dict[str, str]]:
    """Give the labels of what fires at a time, after the rule was evaluated every minute."""
    patience = parse_duration(rule["for"]).total_seconds() if "for" in rule else 0
    since: dict[Labels, float] = {}
    for number in range(int(until / STEP) + 1):
        time = number * STEP
        value = database.evaluate(rule["expr"], time)
        assert isinstance(value, dict)
        since = {labels: since.get(labels, time) for labels in value}
    return [
        {**dict(labels), **rule["labels"]} for labels, start in since.items() if until - start >= patience
    ]


def _key(labels: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(labels.items())


def cases() -> list[Any]:
    return [
        pytest.param(test["input_series"], case, id=f"{case['alertname']}-{case['eval_time']}")
        for test in TESTS
        for case in test["alert_rule_test"]
    ]


@pytest.mark.parametrize(("given", "case"), cases())
def test_alert(given: list[dict[str, str]], case: dict[str, Any]) -> None:
    database = Database(dict(map(series, given)))
    fired = firing(RULES[case["alertname"]], database, parse_duration(case["eval_time"]).total_seconds())

    expected = [alert["exp_labels"] for alert in case["exp_alerts"]]
    assert sorted(map(_key, fired)) == sorted(map(_key, expected))


@pytest.mark.parametrize("alert", RULES)
def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(alert: str) -> None:
    outcomes = {
        bool(case["exp_alerts"])
        for test in TESTS
        for case in test["alert_rule_test"]
        if case["alertname"] == alert
    }
    assert outcomes == {True, False}


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_each_alert_says_what_is_the_case_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["annotations"].keys() == {"summary", "description"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_the_rules_are_evaluated_as_the_cases_say() -> None:
    assert {case["evaluation_interval"] for case in CASES.values()} == {"1m"}
    assert parse_duration("1m").total_seconds() == STEP


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_the_documentation_lists_the_alerts(program: Program) -> None:
    names = re.findall(r"^\| `(Model\w+)` \| [^|]+ \|$", program.document.read_text(), re.MULTILINE)
    assert names == [rule["alert"] for rule in program.alert_rules()]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool on PATH to compare with")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_promtool_agrees(program: Program, tmp_path: Path) -> None:
    spec = program.manifest("rules.yaml")["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    checked = subprocess.run(
        ["promtool", "check", "rules", "rules.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr

    for rule in spec["groups"][0]["rules"]:
        del rule["annotations"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump(CASES[program.name]))
    tested = subprocess.run(
        ["promtool", "test", "rules", "alerts.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
