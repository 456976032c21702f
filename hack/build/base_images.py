"""Stand-ins for the images that our Dockerfiles build on, made of Debian's packages.

Without an engine nothing can be pulled. A stand-in has the same release of Debian and of Python and the same
paths; what it lacks is apt and the other tools of a whole Debian, so that ``RUN apt-get …`` fails.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from hack.build.debian import debian_system

DOCKERFILE = """\
FROM scratch
ADD root.tar /
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
CMD ["python3"]
"""
BASES = {
    "python:3.13-slim-trixie": (
        "trixie",
        (
            "base-files",
            "base-passwd",
            "bash",
            "ca-certificates",
            "coreutils",
            "dash",
            "findutils",
            "grep",
            "libc-bin",
            "libstdc++6",  # of the original, too: wheels take it for granted
            "python3-pip",
            "python3-venv",
            "sed",
        ),
    ),
}
"""For each image the release of Debian that it is made of, and the packages of the stand-in."""

LINKS = {"python": "python3", "python3": "python3", "pip": "pip3", "pip3": "pip3"}


def write_base(base: str, context: Path) -> None:
    """Write a build context for the stand-in of `base`, one of `BASES`, into the new folder `context`.

    Raises
    ------
    ToolsError
        When the packages cannot be had.
    """
    suite, packages = BASES[base]
    root = context / "root"
    root.mkdir(parents=True)
    debian_system(suite, packages, root)
    _finish(root)
    subprocess.run(["tar", "--create", "--file", context / "root.tar", "--directory", root, "."], check=True)
    shutil.rmtree(root)
    (context / "Dockerfile").write_text(DOCKERFILE)


def _finish(root: Path) -> None:
    """Do what the packages' maintainer scripts would have done, as far as it matters here."""
    for name in ("passwd", "group"):
        shutil.copy(root / "usr/share/base-passwd" / f"{name}.master", root / "etc" / name)
    authorities = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    bundle = "".join(authority.read_text() for authority in authorities)
    (root / "etc/ssl/certs/ca-certificates.crt").write_text(bundle)
    # The host's pip settings are mounted over this file during a build, and leave no trace in the image.
    (root / "etc/pip.conf").touch()
    programs = root / "usr/local/bin"
    programs.mkdir(parents=True, exist_ok=True)
    for link, program in LINKS.items():
        (programs / link).symlink_to(Path("/usr/bin", program))
    # Hundreds of modules are imported at each start, and a container can rarely keep what it compiles.
    compiling = ("-m", "compileall", "-qq", "-x", "/test/", "--invalidation-mode", "unchecked-hash")
    compiled = ("chroot", root, "/usr/bin/python3", *compiling, "/usr/lib/python3.13", "/usr/lib/python3")
    subprocess.run(compiled, check=True, stdout=subprocess.DEVNULL)
    for marker in (root / "usr/lib").glob("python3*/EXTERNALLY-MANAGED"):
        marker.unlink()  # the original's pip installs for everybody
