"""Kubernetes resource quantities (``100m``, ``8Gi``, ``1e3``) as exact numbers.

Source of the grammar: ``k8s.io/apimachinery/pkg/api/resource.Quantity``.
"""

from __future__ import annotations

import re
from decimal import ROUND_UP, Context, Decimal
from functools import lru_cache

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,2}))?", re.ASCII)
_SCALES = {
    "n": Decimal(10) ** -9,
    "u": Decimal(10) ** -6,
    "m": Decimal(10) ** -3,
    **{suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}
_MAX_LENGTH = 64
_EXACT = Context(prec=200)  # digits: more than the longest text with the largest scale has
_FINEST = Decimal("0.001")
_REMEMBERED = 512


def parse_quantity(value: str | float) -> Decimal:
    """Return the number that a quantity represents.

    Parameters
    ----------
    value
        A quantity as Kubernetes writes it, or a plain number.

    Returns
    -------
    Decimal
        Exact value in the base unit: cores, bytes, devices.

    Raises
    ------
    ValueError
        If the text is not a quantity.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        # Callers expect one error for any invalid quantity, whatever its type: values come from users.
        raise ValueError("expected a quantity such as 500m, 2 or 8Gi, got another type")  # noqa: TRY004
    text = str(value)
    match = _QUANTITY.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise ValueError("expected a quantity such as 500m, 2 or 8Gi")
    number, suffix, exponent = match.groups()
    scale = Decimal(10) ** int(exponent) if exponent else _SCALES.get(suffix, Decimal(1))
    return _EXACT.multiply(Decimal(number), scale)


def canonical_quantity(value: str | float) -> str:
    """Return the same text for all spellings of a quantity: ``1000m``, ``1`` and ``1.0`` are ``1``.

    The API server rewrites quantities when it stores an object, and rounds those of resources up to
    thousandths. A comparison of texts would therefore find drift where there is none.

    Raises
    ------
    ValueError
        If the text is not a quantity.
    """
    return _canonical(value) if isinstance(value, str) else _canonical_number(value)


def _canonical_number(value: str | float) -> str:
    number = parse_quantity(value).quantize(_FINEST, ROUND_UP, _EXACT).normalize(_EXACT)
    return f"{number:f}" if number else "0"


# Models of one template have the same quantities, and each reconcile compares them.
_canonical = lru_cache(_REMEMBERED)(_canonical_number)
