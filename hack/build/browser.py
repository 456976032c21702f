"""Chromium for the tests of the gateway's page: the host's, or one of Debian's packages in the cache."""

from __future__ import annotations

import platform
import shutil
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
        When this is no Debian, or a package cannot be downloaded.
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
            partial.rename(directory)
    return _unpacked(directory)


def _directory(cache: Path) -> Path:
    return cache / f"browser-{root_key(PACKAGES)}"


def _unpacked(root: Path) -> Browser:
    """Return the browser below a folder; its libraries are of the host's release, for the host's loader."""
    variables = debian_environment(root)
    fonts = {"FONTCONFIG_SYSROOT": str(root), "FONTCONFIG_PATH": "/etc/fonts"}
    return Browser(root / PROGRAM, {**variables, **fonts})


def _release() -> str:
    try:
        return platform.freedesktop_os_release()["VERSION_CODENAME"]
    except (OSError, KeyError):
        raise ToolsError("expected a release of Debian, as /etc/os-release names it, found none.") from None
