"""The host's way to its package index, for the builds: as files to mount, which no image keeps."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# What says where packages come from; everything else is the host's own business.
NETWORK = {
    "default-timeout",
    "extra-index-url",
    "index-url",
    "proxy",
    "retries",
    "timeout",
    "trusted-host",
}
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""Certificate authorities, on Debian hosts and in images."""

ENVIRONMENT = ":env:"


def pip_mounts(directory: Path) -> list[str]:
    """Write the host's settings into `directory`; give what to mount, as ``HOST:CONTAINER:ro``."""
    shown = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    configuration = directory / "pip.conf"
    settings = effective_settings(shown.stdout)
    configuration.write_text(pip_conf(settings))
    mounts = [f"{configuration}:/etc/pip.conf:ro"]
    if bundle := authorities(settings, os.environ):
        mounts.append(f"{bundle}:{BUNDLE}:ro")
    return mounts


def effective_settings(listed: str) -> dict[str, str]:
    """Read ``pip config list``: options of all commands and of `install`; variables win over files."""
    ranked: dict[str, dict[str, str]] = {"global": {}, "install": {}, ENVIRONMENT: {}}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if section in ranked:
            ranked[section][option] = str(ast.literal_eval(value))
    return ranked["global"] | ranked["install"] | ranked[ENVIRONMENT]


def pip_conf(settings: Mapping[str, str]) -> str:
    """Give the pip.conf for a build."""
    lines = ["[global]", f"cert = {BUNDLE}"]
    for option in sorted(NETWORK & set(settings)):
        values = settings[option].split()
        lines.append(f"{option} = " + "\n    ".join(values))
    return "\n".join(lines) + "\n"


def authorities(settings: Mapping[str, str], environ: Mapping[str, str]) -> Path | None:
    """Give the file with the certificate authorities that the host trusts, if it says so."""
    named = [settings.get("cert"), *(environ.get(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))]
    for name in [*named, BUNDLE]:
        if name and Path(name).is_file():
            return Path(name).resolve()
    return None
