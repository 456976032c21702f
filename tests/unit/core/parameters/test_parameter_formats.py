"""The formats that are asserted."""

from __future__ import annotations

import pytest

from model_operator.core.parameters.schemas.formats import FORMATS, has_format

EXAMPLES = {
    "date": (
        ["2025-01-31", "2024-02-29"],
        ["2025-02-29", "20250131", "2025-1-31", "2025-01-31T", "২০২৫-01-31"],
    ),
    "date-time": (
        [
            "2025-01-31T12:00:00Z",
            "2025-01-31t12:00:00.123456789+01:30",
            "1998-12-31T23:59:60Z",
            "1998-12-31T15:59:60-08:00",
        ],
        [
            "2025-01-31",
            "2025-01-31 12:00:00Z",
            "2025-01-31T12:00:00",
            "2025-01-31T24:00:00Z",
            "2025-01-31T12:60:00Z",
            "2025-01-31T12:00:60Z",
            "2025-01-31T12:00:00+24:00",
            "2025-02-30T12:00:00Z",
            "1998-12-31T23:59:61Z",
        ],
    ),
    "email": (
        ["name@example.com", "a.b+c@localhost"],
        ["name", "@example.com", "a..b@c.d", ".a@b.c", "a@b_c", "a b@c.d"],
    ),
    "hostname": (
        ["models", "a-b.example.com", "A1"],
        ["", "-a", "a-", "a..b", "a_b", "a.", "x" * 64, "a." * 127 + "com"],
    ),
    "ipv4": (["192.0.2.1"], ["192.0.2.256", "192.0.2", "0300.0.0.1", "::1"]),
    "ipv6": (["2001:db8::1", "::", "::ffff:192.0.2.1"], ["2001:db8", "fe80::1%eth0", "192.0.2.1", ":::"]),
    "uri": (
        ["https://example.com/a?b=%20#c", "s3://bucket/key", "urn:x:y", "mailto:a@b.c"],
        ["example.com", "//example.com", "https:", "https://a b", "https://a%2", "1a:b", "https://é"],
    ),
    "uuid": (
        ["123e4567-e89b-12d3-a456-426614174000"],
        ["123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g"],
    ),
}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_format(name: str) -> None:
    valid, invalid = EXAMPLES[name]
    example = FORMATS[name].description.split()[-1]

    assert [text for text in [*valid, example] if not has_format(text, name)] == []
    assert [text for text in invalid if has_format(text, name)] == []
    assert not has_format(f"{example}\n", name)
