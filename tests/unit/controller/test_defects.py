"""A defect that anybody can trigger does not fill the log."""

from __future__ import annotations

import structlog

from model_operator.controller.defects import DefectLog


def _first() -> None:
    raise ValueError("one")


def _second() -> None:
    raise ValueError("two")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_place_is_logged_once_a_minute_and_the_rest_is_counted() -> None:
    clock = Clock()
    defects = DefectLog(clock)

    def run() -> None:
        for raising in (_first, _second):
            try:
                raising()
            except ValueError as error:
                defects.report("admission failed", error, namespace="team-a")

    with structlog.testing.capture_logs() as logs:
        for clock.now in (0.0, 1.0, 59.9):
            run()
        assert [(line["exc_info"].args[0], line["suppressed"]) for line in logs] == [("one", 0), ("two", 0)]
        clock.now = 60.0
        run()
    assert [line["suppressed"] for line in logs[2:]] == [2, 2]
    assert {line["log_level"] for line in logs} == {"error"}


def test_another_exception_at_the_same_place_is_another_defect() -> None:
    defects = DefectLog(lambda: 0.0)
    with structlog.testing.capture_logs() as logs:
        for kind in (ValueError, TypeError, ValueError):
            try:
                raise kind
            except (ValueError, TypeError) as error:
                defects.report("admission failed", error)
        defects.report("never raised", ValueError())
    assert [line["event"] for line in logs] == ["admission failed", "admission failed", "never raised"]
