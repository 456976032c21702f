"""An image is built from a Dockerfile without an engine, and keeps nothing of the host's settings."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hack.build.images import build_image

DOCKERFILE = """\
FROM python:3.13-slim-trixie AS build
RUN python -m venv /app && /app/bin/pip --version > /app/pip-version
RUN cp /etc/pip.conf /app/settings

FROM python:3.13-slim-trixie
COPY --from=build /app /app
COPY greet.py /app/
RUN /app/bin/python /app/greet.py > /app/greeting && python --version >> /app/greeting && pip --version
USER 65532:65532
ENTRYPOINT ["/app/bin/python", "/app/greet.py"]
"""
TAG = "docker.io/modeloperator/greeting:test"

pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0 or shutil.which("apt-get") is None,
        reason="building images needs root on Debian",
    ),
    pytest.mark.timeout(900),
]


class Archive:
    """A docker-archive: its configuration, and the files of its layers by their paths."""

    def __init__(self, path: Path) -> None:
        self.files: dict[str, bytes] = {}
        with tarfile.open(path) as archive:
            (self.manifest,) = json.loads(_content(archive, "manifest.json"))
            self.config: dict[str, Any] = json.loads(_content(archive, self.manifest["Config"]))["config"]
            for name in self.manifest["Layers"]:
                with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                    regular = (member.name for member in layer if member.isreg())
                    self.files |= {name.removeprefix("./"): _content(layer, name) for name in regular}


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def test_a_dockerfile_with_two_stages(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "greet.py").write_text("import ssl, sqlite3, ctypes\nprint('hello')\n")

    path = build_image(tmp_path, TAG)
    image = Archive(path)

    assert image.manifest["RepoTags"] == [TAG]
    assert image.config["User"] == "65532:65532"
    assert image.config["Entrypoint"] == ["/app/bin/python", "/app/greet.py"]
    assert image.files["app/greeting"].startswith(b"hello\nPython 3.13.")
    assert b"python 3.13" in image.files["app/pip-version"]
    # The build had the host's settings; the image has an empty file, and Debian's authorities.
    assert image.files["app/settings"].startswith(b"[global]\ncert = /etc/ssl/certs/")
    assert image.files["etc/pip.conf"] == b""
    authorities = [name for name in image.files if name.startswith("usr/share/ca-certificates/")]
    bundle = b"".join(image.files[name] for name in sorted(authorities))
    assert image.files["etc/ssl/certs/ca-certificates.crt"] == bundle

    capfd.readouterr()
    assert build_image(tmp_path, TAG) == path
    assert capfd.readouterr().out == ""
    path.unlink()
