"""The image of a container: what a valid reference to one is, and what of it an instance may choose.

An instance chooses within an image's name: its tag, and the last component of its path. The registry, the
components before and the name as a whole take only values that the template lists.

Source of the grammar: ``github.com/distribution/reference``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from model_operator.api import BundleConfig
from model_operator.core.templates.references import ParsedString, Reference, Scope, parse_text, text_form

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"sha256:[a-f0-9]{64}"
_REGISTRY_PATTERN = re.compile(rf"{_HOST}(?::[0-9]{{1,5}})?(?:/{_PATH})?", re.ASCII)
_REPOSITORY_PATTERN = re.compile(_PATH, re.ASCII)
_TAG_PATTERN = re.compile(_TAG, re.ASCII)
_IMAGE_PATTERN = re.compile(rf"(?:{_HOST}(?::[0-9]{{1,5}})?/)?{_PATH}(?::{_TAG})?(?:@{_DIGEST})?", re.ASCII)
_MAX_LENGTH = 1024
_SEPARATORS: Final = re.compile("[/:@]")
"""What divides registry, path, tag and digest: in a value it would make one into another."""
_ONE_PART: Final = (
    "a part of an image's name or tag without '/', ':' and '@', as the template lists no values in enum"
)
IsListed = Callable[[Reference], bool]
"""Tells whether a reference stands only for what the template lists."""


def is_registry(text: str) -> bool:
    """Whether the text is a registry's host, with an optional port and path."""
    return len(text) <= _MAX_LENGTH and _REGISTRY_PATTERN.fullmatch(text) is not None


def is_image(text: str) -> bool:
    """Whether the text is a reference to an image, as a container's ``image`` takes it."""
    return len(text) <= _MAX_LENGTH and _IMAGE_PATTERN.fullmatch(text) is not None


def choosing_references(text: ParsedString, registry: str = "") -> tuple[Reference, ...]:
    """Return the references that choose more than a part of an image's name, or its tag.

    Parameters
    ----------
    text
        A reference to an image, or only the path of one.
    registry
        What stands before it; then there is no tag in it.
    """
    name = list(_pieces(text))
    name = [registry, "/", *name] if registry else name[: _end_of_name(name)]
    last = max((place for place, piece in enumerate(name) if piece == "/"), default=-1) + 1
    before, component = name[:last], name[last:]
    found = [piece for piece in before if isinstance(piece, Reference)]
    if not _has_path(before) and all(isinstance(piece, Reference) for piece in component):
        found += [piece for piece in component if isinstance(piece, Reference)]
    return tuple(found)


def misplaced_values(
    text: ParsedString, scope: Scope, is_listed: IsListed
) -> Iterator[tuple[Reference, str]]:
    """Yield the references whose values hold what divides an image's parts, each with what was expected."""
    for reference in text.references:
        if not is_listed(reference) and _SEPARATORS.search(text_form(scope.value(reference), kubelet=False)):
            yield reference, _ONE_PART


def _pieces(text: ParsedString) -> Iterator[str | Reference]:
    """Yield the characters and the references of a text."""
    for part in text.parts:
        if isinstance(part, Reference):
            yield part
        else:
            yield from part


def _end_of_name(pieces: list[str | Reference]) -> int:
    """Return where the name ends and a tag or a digest begins."""
    end = pieces.index("@") if "@" in pieces else len(pieces)
    for place in range(end - 1, -1, -1):
        if pieces[place] == "/":
            break
        if pieces[place] == ":":
            return place
    return end


def _has_path(before: list[str | Reference]) -> bool:
    """Whether more than a registry stands before the last component, as container runtimes read it."""
    text = "".join(piece if isinstance(piece, str) else "x" for piece in before)
    first, _, rest = text.partition("/")
    is_host = "." in first or ":" in first or first == "localhost"
    return bool(rest) or (bool(first) and not is_host)


@dataclass(frozen=True, slots=True)
class BundleImage:
    """``registry/image:tag`` or ``registry/image@digest`` of a bundle.

    Attributes
    ----------
    registry
        Host and path, without references.
    repository, tag
        May have references. The tag is None when there is a digest.
    digest
        ``sha256:…``, or None.
    """

    registry: str
    repository: ParsedString
    tag: ParsedString | None
    digest: str | None

    def render(self, scope: Scope) -> str:
        """Return the container's ``image``."""
        name = f"{self.registry}/{self.repository.render(scope, kubelet=False)}"
        if self.tag is None:
            return f"{name}@{self.digest}"
        return f"{name}:{self.tag.render(scope, kubelet=False)}"

    def literal(self) -> str | None:
        """Return the image of every model, None where it depends on the instance."""
        parts = (self.repository, *([self.tag] if self.tag is not None else []))
        return None if any(part.references for part in parts) else self.render(Scope({}, {}))

    def faults(self, scope: Scope, is_listed: IsListed) -> Iterator[tuple[Reference, str]]:
        """Yield the references whose values spoil the image, each with what was expected of it."""
        misplaced = list(misplaced_values(self.repository, scope, is_listed))
        if misplaced:
            yield from misplaced
            return
        if not _matches(_REPOSITORY_PATTERN, self.repository.render(scope, kubelet=False)):
            for reference in self.repository.references:
                yield (
                    reference,
                    "a part of an image's name: lower-case letters, digits, '.', '_' and '-'",
                )
        if self.tag is not None and not _matches(_TAG_PATTERN, self.tag.render(scope, kubelet=False)):
            for reference in self.tag.references:
                yield reference, "a part of an image's tag: at most 128 letters, digits, '_', '.' and '-'"


def bundle_image(bundle: BundleConfig) -> BundleImage:
    """Read the image of a bundle.

    Raises
    ------
    ReferenceSyntaxError
        A reference in ``image`` or ``tag`` is written wrongly.
    """
    return BundleImage(
        registry=bundle.registry,
        repository=parse_text(bundle.image, kubelet=False),
        tag=None if bundle.tag is None else parse_text(bundle.tag, kubelet=False),
        digest=bundle.digest,
    )


def _matches(pattern: re.Pattern[str], text: str) -> bool:
    return len(text) <= _MAX_LENGTH and pattern.fullmatch(text) is not None
