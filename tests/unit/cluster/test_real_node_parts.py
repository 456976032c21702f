"""The parts of a real node that need none: who may have one, its images, its relay."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import tarfile
from typing import TYPE_CHECKING

import pytest

from hack.build.go_toolchain import ToolsError
from tests.cluster.nodes.image_archive import write_image
from tests.cluster.nodes.real import ensure_real_node
from tests.cluster.nodes.relay import serve

if TYPE_CHECKING:
    from pathlib import Path


def test_who_is_not_root_is_told_so_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(ToolsError, match=r"^a real node needs Linux and root [^\n]*$"):
        ensure_real_node()


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ToolsError, match=r"^a real node needs the program unshare, found none on PATH\.$"):
        ensure_real_node()


def test_the_same_folder_gives_the_same_image(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "tool").write_text("#!/bin/sh\n")
    archives = [tmp_path / "first.tar", tmp_path / "second.tar"]
    write_image(archives[0], "example.com/tool:1", root, ["/bin/tool"])
    os.utime(root / "bin" / "tool", (1, 1))
    write_image(archives[1], "example.com/tool:1", root, ["/bin/tool"])

    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as image:
        (manifest,) = json.load(image.extractfile("manifest.json"))  # type: ignore[arg-type]
        config = json.load(image.extractfile(manifest["Config"]))  # type: ignore[arg-type]
        with tarfile.open(fileobj=image.extractfile(manifest["Layers"][0])) as layer:
            assert {member.name: member.uid for member in layer} == {".": 0, "./bin": 0, "./bin/tool": 0}
    assert manifest["RepoTags"] == ["example.com/tool:1"]
    assert config["config"]["Entrypoint"] == ["/bin/tool"]


async def test_a_relay_carries_both_directions_to_their_ends() -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read()).upper())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(shout, "127.0.0.1", 0) as far:
        listener = socket.create_server(("127.0.0.1", 0))
        relay = asyncio.create_task(serve(listener, far.sockets[0].getsockname()[1]))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"x" * 1_000_000)
        writer.write_eof()

        assert await reader.read() == b"X" * 1_000_000

        await end(relay, writer)


async def test_a_relay_to_nobody_closes_the_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        listener = socket.create_server(("127.0.0.1", 0))
        relay = asyncio.create_task(serve(listener, port))
        reader, writer = await asyncio.open_connection(*listener.getsockname())

        assert await reader.read() == b""

        await end(relay, writer)


async def end(relay: asyncio.Task[None], writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)
