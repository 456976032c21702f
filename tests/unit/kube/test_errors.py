"""Answers of the API server as errors."""

from __future__ import annotations

import pytest

from model_operator.kube.errors import (
    ApiError,
    ApiRefusedError,
    ApiUnavailableError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    error_for,
)


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (400, "", ApiRefusedError),
        (401, "", ForbiddenError),
        (403, "", ForbiddenError),
        (404, "", NotFoundError),
        *[
            (code, 'admission webhook "w" denied the request: no', ForbiddenError)
            for code in (400, 403, 404, 409, 418, 429, 500, 503)
        ],
        (409, "", ConflictError),
        (410, "", ApiRefusedError),
        (422, "", ApiRefusedError),
        (429, "", ApiUnavailableError),
        (500, "etcdserver: leader changed", ApiUnavailableError),
        (500, "failed to create typed patch object (a/b): expected string", ApiRefusedError),
        (502, "", ApiUnavailableError),
        (503, "", ApiUnavailableError),
        (504, "", ApiUnavailableError),
    ],
)
def test_kind(code: int, message: str, expected: type[ApiError]) -> None:
    error = error_for(code, {"message": message}, "PATCH /api")

    assert type(error) is expected
    assert error.code == code


@pytest.mark.parametrize(
    ("status", "text"),
    [({"message": "is invalid"}, "PATCH /api: is invalid"), ({}, "PATCH /api: HTTP 422")],
)
def test_text_says_what_was_attempted(status: dict[str, str], text: str) -> None:
    assert str(error_for(422, status, "PATCH /api")) == text
