"""Tests of how a benchmark reports that it failed."""

from __future__ import annotations

import pytest

from benchmarks.client import BenchError, innermost, reported
from tests.cluster.processes import ProcessError


def failing(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("kind", [BenchError, ProcessError])
def test_a_failure_is_printed_however_deep_it_is(
    kind: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (kind("it ended"), ExceptionGroup("outer", [ExceptionGroup("inner", [kind("it ended")])])):
        assert reported(lambda error=error: failing(error)) is None  # type: ignore[misc]
        assert capsys.readouterr().err == "error: it ended\n"


def test_a_defect_beside_a_failure_is_raised() -> None:
    both = ExceptionGroup("both", [BenchError("it ended"), KeyError("ready")])
    with pytest.raises(ExceptionGroup) as raised:
        reported(lambda: failing(both))
    assert isinstance(innermost(raised.value), KeyError)


def test_results_are_given() -> None:
    assert reported(lambda: 3) == 3
