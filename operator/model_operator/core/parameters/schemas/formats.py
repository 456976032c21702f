"""The supported values of the ``format`` keyword; the dialect rejects all others."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final

from model_operator.core.parameters.schemas.patterns import Pattern, compile_pattern


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its description, and a check in linear time.

    Attributes
    ----------
    description
        Description of a valid value with an example, for messages.
    accepts
        Whether a string has the format.
    max_characters
        Maximum length; a longer string is rejected without a check.
    """

    description: str
    accepts: Callable[[str], bool]
    max_characters: int


def _pattern(text: str) -> Callable[[str], bool]:
    pattern: Pattern = compile_pattern(text)
    return pattern.matches


_HOURS: Final = 24
_MINUTES: Final = 60
_SECONDS: Final = 60

_LABEL: Final = "[A-Za-z0-9]([-A-Za-z0-9]{0,61}[A-Za-z0-9])?"
_HOSTNAME: Final = rf"{_LABEL}(\.{_LABEL})*"
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"

_is_hostname = _pattern(rf"^{_HOSTNAME}$")
_is_email = _pattern(rf"^{_ATOM}(\.{_ATOM})*@{_HOSTNAME}$")
_is_uri = _pattern(r"^[A-Za-z][A-Za-z0-9+.-]*:([A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$")
_is_uuid = _pattern("^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")
_looks_like_date = _pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
_looks_like_date_time = _pattern(
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)


def _is_date(text: str) -> bool:
    if not _looks_like_date(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_date_time(text: str) -> bool:
    """Whether the text is a date-time of RFC 3339, section 5.6."""
    if not _looks_like_date_time(text) or not _is_date(text[:10]):
        return False
    hour, minute, second = (int(part) for part in (text[11:13], text[14:16], text[17:19]))
    offset_hour, offset_minute = (0, 0) if text[-1] in "Zz" else (int(text[-5:-3]), int(text[-2:]))
    if max(hour, offset_hour) >= _HOURS or max(minute, offset_minute) >= _MINUTES:
        return False
    offset = offset_hour * _MINUTES + offset_minute
    minute_of_day = hour * _MINUTES + minute - (-offset if text[-6] == "-" else offset)
    last_minute = minute_of_day % (_HOURS * _MINUTES) == _HOURS * _MINUTES - 1
    return second < _SECONDS or (second == _SECONDS and last_minute)  # a leap second ends a day in UTC


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _is_ipv6(text: str) -> bool:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return address.scope_id is None


FORMATS: Final[dict[str, Format]] = {
    "date": Format("a date such as 2025-01-31", _is_date, 10),
    "date-time": Format("a date and time such as 2025-01-31T12:00:00Z", _is_date_time, 64),
    "email": Format("an e-mail address such as name@example.com", _is_email, 320),
    "hostname": Format("a host name such as models.example.com", _is_hostname, 253),
    "ipv4": Format("an IPv4 address such as 192.0.2.1", _is_ipv4, 15),
    "ipv6": Format("an IPv6 address such as 2001:db8::1", _is_ipv6, 45),
    "uri": Format("a URI such as https://example.com/model", _is_uri, 8192),
    "uuid": Format("a UUID such as 123e4567-e89b-12d3-a456-426614174000", _is_uuid, 36),
}
"""Formats by name. They apply to strings only; values of other types pass, as JSON Schema defines."""


def has_format(value: str, name: str) -> bool:
    """Whether a string has the named format."""
    known = FORMATS[name]
    return len(value) <= known.max_characters and known.accepts(value)
