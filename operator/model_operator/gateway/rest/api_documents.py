"""The document of the API at ``/openapi.json``, and a page at ``/docs``, without credentials or another host.

The page is Swagger UI, with the files of the package ``flask-swagger-ui``; nothing of that package is
imported, since its code is for Flask.
"""

from __future__ import annotations

from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from msgspec import yaml

from model_operator.core.values.json_values import wire_json
from model_operator.gateway.pages.open_pages import OpenPage, OpenPages

DOCUMENT_PATH: Final = "/openapi.json"
DOCS_PATH: Final = "/docs"
_PACKAGE: Final = "flask-swagger-ui"
_HTML: Final = "text/html; charset=utf-8"
_JAVASCRIPT: Final = "text/javascript; charset=utf-8"
_KEPT: Final = {
    "swagger-ui-bundle.js": _JAVASCRIPT,
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
"""The files of Swagger UI that the page uses, with their types."""


def api_document() -> dict[str, Any]:
    """Return ``openapi.yaml``."""
    kept = files("model_operator.gateway").joinpath("openapi.yaml").read_bytes()
    document: dict[str, Any] = yaml.decode(kept)  # by libyaml, in a tenth of the time of `safe_load`
    return document


def document_pages() -> OpenPages:
    """Return the document, the page and the files that it loads, by path."""
    own = files("model_operator.gateway.rest").joinpath("docs_page")
    swagger_ui = Path(str(distribution(_PACKAGE).locate_file("flask_swagger_ui/dist")))
    kept = {
        f"{DOCS_PATH}/{name}": OpenPage(content_type, swagger_ui.joinpath(name).read_bytes())
        for name, content_type in _KEPT.items()
    }
    return {
        DOCUMENT_PATH: OpenPage("application/json", wire_json(api_document())),
        DOCS_PATH: OpenPage(_HTML, own.joinpath("docs.html").read_bytes()),
        f"{DOCS_PATH}/docs.js": OpenPage(_JAVASCRIPT, own.joinpath("docs.js").read_bytes()),
        **kept,
    }
