"""Bodies are bounded one by one and together, and what was held is given back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from model_operator.core.gateway.failures import Failure, FailureReason
from model_operator.gateway.intake import Intake

KIB = 1024


class FakeRequest:
    """A request with a body in parts."""

    def __init__(self, *parts: int, length: int | None = None, encoding: str | None = None) -> None:
        self.headers = {} if encoding is None else {"Content-Encoding": encoding}
        self.content_length = length
        self.content = self
        self.read = 0
        self._parts = list(parts)

    async def readany(self) -> bytes:
        if not self._parts:
            return b""
        self.read += self._parts[0]
        return b"x" * self._parts.pop(0)


async def body_of(intake: Intake, request: Any) -> bytes:
    async with intake.place() as place:
        return await intake.read(request, place)


def refusal(caught: pytest.ExceptionInfo[Failure]) -> FailureReason:
    return caught.value.reason


@pytest.mark.parametrize("parts", [(), (1,), (100 * KIB,), (60 * KIB, 40 * KIB)])
async def test_a_body_within_the_bound(parts: tuple[int, ...]) -> None:
    intake = Intake(100 * KIB, 1000 * KIB, 10)
    assert len(await body_of(intake, FakeRequest(*parts))) == sum(parts)
    assert (intake.buffered, intake.requests) == (0, 0)


async def test_a_length_beyond_the_bound_is_refused_before_anything_is_read() -> None:
    request = FakeRequest(10, length=100 * KIB + 1)
    with pytest.raises(Failure) as caught:
        await body_of(Intake(100 * KIB, 1000 * KIB, 10), request)
    assert refusal(caught) is FailureReason.BODY_TOO_LARGE
    assert request.read == 0


async def test_a_length_that_lies_is_refused_while_reading() -> None:
    request = FakeRequest(*[30 * KIB] * 10, length=10)
    intake = Intake(100 * KIB, 1000 * KIB, 10)
    with pytest.raises(Failure) as caught:
        await body_of(intake, request)
    assert refusal(caught) is FailureReason.BODY_TOO_LARGE
    assert request.read == 120 * KIB
    assert (intake.buffered, intake.requests) == (0, 0)


async def test_the_bodies_of_all_requests_have_a_bound() -> None:
    intake = Intake(100 * KIB, 150 * KIB, 10)
    async with intake.place() as held:
        await intake.read(FakeRequest(100 * KIB), held)  # type: ignore[arg-type]
        with pytest.raises(Failure) as caught:
            await body_of(intake, FakeRequest(100 * KIB))
        assert refusal(caught) is FailureReason.GATEWAY_BUSY
        assert len(await body_of(intake, FakeRequest(10))) == 10, "small ones go on"
    assert intake.buffered == 0


async def test_the_number_of_requests_has_a_bound() -> None:
    intake = Intake(KIB, KIB, 1)
    async with intake.place():
        with pytest.raises(Failure) as caught:
            async with intake.place():
                pass
    assert refusal(caught) is FailureReason.GATEWAY_BUSY
    async with intake.place():
        pass


async def test_a_client_that_leaves_gives_back_what_was_held() -> None:
    intake = Intake(1000 * KIB, 1000 * KIB, 10)

    class Leaving(FakeRequest):
        async def readany(self) -> bytes:
            if self.read:
                raise asyncio.CancelledError
            self.read += 1
            return b"x" * 500 * KIB

    with pytest.raises(asyncio.CancelledError):
        await body_of(intake, Leaving())
    assert (intake.buffered, intake.requests) == (0, 0)


async def test_a_body_that_stops_is_not_awaited_for_ever() -> None:
    class Stopping(FakeRequest):
        async def readany(self) -> bytes:
            await asyncio.Event().wait()
            return b""

    intake = Intake(KIB, KIB, 10, body_seconds=0.01)
    with pytest.raises(Failure) as caught:
        await body_of(intake, Stopping())
    assert refusal(caught) is FailureReason.BODY_TIMEOUT
    assert intake.requests == 0


async def test_compressed_bodies_are_refused() -> None:
    with pytest.raises(Failure) as caught:
        await body_of(Intake(KIB, KIB, 1), FakeRequest(10, encoding="gzip"))
    assert refusal(caught) is FailureReason.INVALID_REQUEST
