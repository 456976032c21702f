"""Ages as kubectl writes them, durations as it reads them."""

from __future__ import annotations

import datetime

import pytest

from model_operator.core.inspection.ages import age, parse_duration

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
MINUTE, HOUR, DAY = 60, 3600, 86400


# What HumanDuration of k8s.io/apimachinery's util/duration answers, with which kubectl writes ages.
@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (2 * MINUTE, "2m"),
        (2 * MINUTE + 1, "2m1s"),
        (10 * MINUTE - 1, "9m59s"),
        (10 * MINUTE + 59, "10m"),
        (3 * HOUR - 1, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 5 * MINUTE, "3h5m"),
        (8 * HOUR + 5 * MINUTE, "8h"),
        (2 * DAY - 1, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + 5 * HOUR, "2d5h"),
        (8 * DAY + 5 * HOUR, "8d"),
        (2 * 365 * DAY - 1, "729d"),
        (2 * 365 * DAY + 3 * DAY, "2y3d"),
        (8 * 365 * DAY + 3 * DAY, "8y"),
    ],
)
def test_age(seconds: int, expected: str) -> None:
    since = NOW - datetime.timedelta(seconds=seconds)

    assert age(since.strftime("%Y-%m-%dT%H:%M:%SZ"), NOW) == expected


@pytest.mark.parametrize("since", [None, ""])
def test_unknown_age(since: str | None) -> None:
    assert age(since, NOW) == "<unknown>"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("0s", 0), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1.5h", 5400), ("1m500ms", 60.5)],
)
def test_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "-5s", "5 m", "5d", "m5", "5m5", "1e3s", "٣s", "1mm", "1h,,30m"])
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 90s, 5m or 1h30m, got"):
        parse_duration(text)
