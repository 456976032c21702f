"""Style, script and icon of the page of models, at addresses that change with their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from model_operator.gateway.pages.open_pages import OpenPage, OpenPages

FOLDER: Final = "/assets/"
_HASH_CHARACTERS: Final = 16
_KINDS: Final = {
    "models.css": "text/css; charset=utf-8",
    "models.js": "text/javascript; charset=utf-8",
    "models.svg": "image/svg+xml",
}
_HEADERS: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True)
class PageAssets:
    """The files.

    Attributes
    ----------
    paths
        Path at the gateway by the name of the file.
    pages
        What is served at these paths.
    """

    paths: Mapping[str, str]
    pages: OpenPages


def page_assets() -> PageAssets:
    """Read the files, which are a part of the package."""
    folder = files(__package__) / "assets"
    paths: dict[str, str] = {}
    pages: dict[str, OpenPage] = {}
    for name, content_type in _KINDS.items():
        body = (folder / name).read_bytes()
        stem, _, extension = name.partition(".")
        path = f"{FOLDER}{stem}-{hashlib.sha256(body).hexdigest()[:_HASH_CHARACTERS]}.{extension}"
        paths[name] = path
        pages[path] = OpenPage(content_type, body, _HEADERS)
    return PageAssets(paths, pages)
