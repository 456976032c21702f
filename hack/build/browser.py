"""Chromium for the tests of the gateway's page: the host's, or one of Debian's packages in the cache."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hack.build.cache import cache_directory, exclusive
from hack.build.debian import debian_environment, debian_system, root_key
from hack.build.go_toolchain import ToolsError

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("chromium", "fonts-liberation")
PROGRAM = "usr/lib/chromium/chromium"
FONTS = Path(__file__).with_name("fonts.conf")
START_SECONDS = 60.0


@dataclass(frozen=True)
class Browser:
    """A Chromium that can be started.

    Attributes
    ----------
    program
        The file.
    environment
        Variables that it needs beside those of this process.
    """

    program: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def found_browser(cache: Path | None = None) -> Browser | None:
    """Return the host's Chromium, or the cached one; None without either. Nothing is downloaded."""
    for name in NAMES:
        if found := shutil.which(name):
            return Browser(Path(found))
    directory = _directory(cache_directory() if cache is None else cache)
    return _unpacked(directory) if directory.exists() else None


def ensure_browser(cache: Path | None = None) -> Browser:
    """Return a Chromium; where there is none, get that of the host's release of Debian, with its libraries.

    Raises
    ------
    ToolsError
        When this is no Debian, a package cannot be downloaded, or the downloaded browser does not start.
    """
    cache = cache_directory() if cache is None else cache
    if (found := found_browser(cache)) is not None:
        return found
    directory = _directory(cache)
    waiting = "Another process is downloading Chromium; waiting for it."
    with exclusive(cache / "browser.lock", waiting=waiting):
        if not directory.exists():
            print(f"Downloading Debian's Chromium into {directory} (once)…", flush=True)
            partial = cache / "browser-partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            debian_system(_release(), PACKAGES, partial)
            _require_start(_unpacked(partial))
            partial.rename(directory)
    return _unpacked(directory)


def _directory(cache: Path) -> Path:
    return cache / f"browser-{root_key(PACKAGES)}"


def _unpacked(root: Path) -> Browser:
    """Return the browser below a folder; its libraries are of the host's release, for the host's loader."""
    variables = debian_environment(root)
    # No FONTCONFIG_SYSROOT: with it, fontconfig leaves out folders of fonts that the host has not.
    fonts = {
        "FONTCONFIG_FILE": str(FONTS),
        "XDG_DATA_HOME": str(root / "usr" / "share"),
        "XDG_CACHE_HOME": str(root / "var" / "cache"),
    }
    return Browser(root / PROGRAM, {**variables, **fonts})


def _require_start(browser: Browser) -> None:
    """Have a downloaded browser print its version, so that a library that it lacks shows here, once."""
    started = subprocess.run(
        [browser.program, "--version"],
        env={**os.environ, **browser.environment},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    if started.returncode != 0:
        said = (started.stderr.strip() or f"exit status {started.returncode}").splitlines()[-1]
        raise ToolsError(f"the downloaded Chromium does not start: {said}.")


def _release() -> str:
    try:
        return platform.freedesktop_os_release()["VERSION_CODENAME"]
    except (OSError, KeyError):
        raise ToolsError("expected a release of Debian, as /etc/os-release names it, found none.") from None
