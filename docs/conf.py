"""Makes a site of the repository's Markdown: ``make docs-site``.

The documents are written to be read where they are, in the repository. So Sphinx's source folder is the
repository, links are ordinary relative ones, and the navigation is made of the links in docs/index.md and of
the list of decisions in docs/architecture.md.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx import addnodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

REPOSITORY = Path(__file__).resolve().parent.parent
INDEX = "docs/index"
ARCHITECTURE = "docs/architecture"

project = "model-operator"
copyright = "the authors of model-operator"  # noqa: A001 -- Sphinx's name for it
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = INDEX
include_patterns = ["*.md", "docs/*.md", "docs/decisions/*.md", "examples/*/README.md"]
exclude_patterns = [
    ".*",
    "**/__pycache__",
    "benchmarks",
    "dist",
    "hack",
    "operator",
    "tests",
]
nitpicky = True
myst_heading_anchors = 4  # as GitHub makes them
# Argo CD's policies are no language that Pygments knows, and cut-off output is no JSON.
suppress_warnings = ["misc.highlighting_failure"]
highlight_language = "none"

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sphinx = False


def setup(app: Sphinx) -> ExtensionMetadata:
    """Have Sphinx make the navigation, and know links to folders."""
    app.connect("source-read", _add_navigation)
    app.connect("doctree-read", _resolve_links_to_folders)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _add_navigation(app: Sphinx, docname: str, content: list[str]) -> None:
    """Put a toctree behind each section of the index, and one for the decisions behind the architecture."""
    if docname == ARCHITECTURE:
        content[0] += _toctree("Decisions", _decisions(content[0]))
    if docname != INDEX:
        return
    listed = {page for page in app.env.found_docs if page.startswith("docs/decisions/")}
    text = ""
    for section in re.split(r"^(?=## )", content[0], flags=re.MULTILINE):
        pages = _linked(section)
        listed.update(pages)
        title = re.match(r"## (.*)", section)
        text += section + (_toctree(title[1], pages) if title and pages else "")
    rest = sorted(app.env.found_docs - listed - {INDEX})
    content[0] = text + (_toctree("More", rest) if rest else "")


def _decisions(text: str) -> list[str]:
    return [page for page in _linked(text) if page.startswith("docs/decisions/")]


def _linked(text: str) -> list[str]:
    """Give the pages that items of lists begin with a link to, as Sphinx names them."""
    links = re.findall(r"^\* \[[^]]*\]\(([^)#]+)\.md\)", text, flags=re.MULTILINE)
    return [os.path.normpath(f"docs/{link}") for link in links]


def _toctree(caption: str, pages: list[str]) -> str:
    entries = "\n".join(f"/{page}" for page in pages)
    return f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n\n"


def _resolve_links_to_folders(app: Sphinx, doctree: nodes.document) -> None:
    """Let a link to a folder lead to the README in it, or be its name where it has none."""
    folder = REPOSITORY / Path(app.env.current_document.docname).parent
    for link in list(doctree.findall(addnodes.pending_xref)):
        target = os.path.relpath(folder / link["reftarget"], REPOSITORY)
        if link["refdomain"] == "doc" or not (REPOSITORY / target).is_dir():
            continue
        if f"{target}/README" in app.env.found_docs:
            link.attributes |= {"refdomain": "doc", "reftarget": f"{target}/README", "reftargetid": None}
        else:
            link.replace_self(link.children)
