"""A context in a thread of its own: what it raises, and that it ends."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from model_operator.controller.serving.side_loop import in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

seen: list[str] = []


@asynccontextmanager
async def _note() -> AsyncIterator[None]:
    seen.append(f"open in {threading.current_thread().name}")
    yield
    await asyncio.sleep(0)
    seen.append(f"closed in {threading.current_thread().name}")


@asynccontextmanager
async def _fail(*, early: bool) -> AsyncIterator[None]:
    if early:
        raise LookupError("cannot begin")
    yield
    raise LookupError("cannot end")


async def test_it_is_open_and_closed_there() -> None:
    seen.clear()
    async with in_thread("port", _note):
        assert seen == ["open in port"]
    assert seen == ["open in port", "closed in port"]


@pytest.mark.parametrize(("early", "message"), [(True, "cannot begin"), (False, "cannot end")])
async def test_what_it_raises_is_raised_here(early: bool, message: str) -> None:
    with pytest.raises(LookupError, match=message):
        async with in_thread("port", lambda: _fail(early=early)):
            assert not early


async def test_what_is_raised_here_ends_it() -> None:
    seen.clear()
    with pytest.raises(LookupError, match="here"):
        async with in_thread("port", _note):
            raise LookupError("here")
    assert seen[-1] == "closed in port"
