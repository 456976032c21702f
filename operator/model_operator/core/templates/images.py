"""The image of a container: the syntax of an image reference, and the parts that an instance may choose.

An instance may choose the tag and the last component of the path. The registry, the other components and the
name as a whole take only values that the template lists.

Source of the grammar: ``github.com/distribution/reference``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from model_operator.api import BundleConfig
from model_operator.core.templates.references import ParsedString, Reference, Scope, parse_text, text_form
from model_operator.core.values.image_names import familiar_name

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
"""Separators of registry, path, tag and digest; inside a value they would turn one part into another."""
_ONE_PART: Final = (
    "a part of an image's name or tag without '/', ':' and '@', as the template lists no values in enum"
)
IsListed = Callable[[Reference], bool]
"""Whether the template lists all values of a reference."""


def is_registry(text: str) -> bool:
    """Whether the text is the host of a registry with an optional port and path."""
    return len(text) <= _MAX_LENGTH and _REGISTRY_PATTERN.fullmatch(text) is not None


def is_image(text: str) -> bool:
    """Whether the text is an image reference, valid as ``image`` of a container."""
    return len(text) <= _MAX_LENGTH and _IMAGE_PATTERN.fullmatch(text) is not None


def choosing_references(text: ParsedString, registry: str = "") -> tuple[Reference, ...]:
    """Return the references that choose more than the tag or the last component of an image's name.

    Parameters
    ----------
    text
        An image reference, or only its path.
    registry
        The registry before `text`, which then has no tag.
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
    """Yield the references whose values contain a separator of an image's parts, with the expected value."""
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
    """Return the index at which the name ends and a tag or a digest begins."""
    end = pieces.index("@") if "@" in pieces else len(pieces)
    for place in range(end - 1, -1, -1):
        if pieces[place] == "/":
            break
        if pieces[place] == ":":
            return place
    return end


def _has_path(before: list[str | Reference]) -> bool:
    """Whether a path component precedes the last one, by the rules of container runtimes."""
    text = "".join(piece if isinstance(piece, str) else "x" for piece in before)
    first, _, rest = text.partition("/")
    is_host = "." in first or ":" in first or first == "localhost" or first != first.lower()
    return bool(rest) or (bool(first) and not is_host)


@dataclass(frozen=True, slots=True)
class BundleImage:
    """``registry/image:tag``, ``registry/image@digest`` or ``registry/image:tag@digest`` of a bundle.

    Attributes
    ----------
    registry
        Host and path, without references.
    repository, tag
        May contain references. The tag is None if there is only a digest.
    digest
        ``sha256:…``, or None if there is only a tag.
    """

    registry: str
    repository: ParsedString
    tag: ParsedString | None
    digest: str | None

    def render(self, scope: Scope) -> str:
        """Return the container's ``image``."""
        name = f"{self.registry}/{self.repository.render(scope, kubelet=False)}"
        tag = "" if self.tag is None else f":{self.tag.render(scope, kubelet=False)}"
        return f"{name}{tag}" if self.digest is None else f"{name}{tag}@{self.digest}"

    def literal(self) -> str | None:
        """Return the image if it is the same for all models; None if it depends on the instance."""
        parts = (self.repository, *([self.tag] if self.tag is not None else []))
        return None if any(part.references for part in parts) else self.render(Scope({}, {}))

    def faults(self, scope: Scope, is_listed: IsListed) -> Iterator[tuple[Reference, str]]:
        """Yield the references whose values make the image invalid, each with the expected value."""
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
    """Parse the image of a bundle.

    Raises
    ------
    ReferenceSyntaxError
        A reference in ``image`` or ``tag`` has a syntax error.
    """
    return BundleImage(
        registry=bundle.registry,
        repository=parse_text(bundle.image, kubelet=False),
        tag=None if bundle.tag is None else parse_text(bundle.tag, kubelet=False),
        digest=bundle.digest,
    )


def same_repository(image: str, bundle: BundleConfig) -> bool:
    """Whether the image of a container has the name of the bundle's, whatever its tag or digest.

    Parameters
    ----------
    image
        ``image`` of a container, which may contain references.
    bundle
        The bundle; references are compared as they are written.
    """
    name = image.partition("@")[0]
    start = name.rfind("/") + 1
    return familiar_name(name[:start] + name[start:].partition(":")[0]) == familiar_name(
        f"{bundle.registry}/{bundle.image}"
    )


def same_image(image: str, bundle: BundleConfig) -> bool:
    """Whether the image of a container is the bundle's.

    Parameters
    ----------
    image, bundle
        As for `same_repository`.
    """
    ending = f":{bundle.tag}" if bundle.tag else ""
    ending += f"@{bundle.digest}" if bundle.digest else ""
    return familiar_name(image) == familiar_name(f"{bundle.registry}/{bundle.image}{ending}")


def _matches(pattern: re.Pattern[str], text: str) -> bool:
    return len(text) <= _MAX_LENGTH and pattern.fullmatch(text) is not None
