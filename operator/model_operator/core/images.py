"""The image of a container: what a valid reference to one is, and the one that a bundle means.

Source of the grammar: ``github.com/distribution/reference``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from model_operator.api import BundleConfig
from model_operator.core.references import Reference, Scope, Text, parse_text

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


def is_registry(text: str) -> bool:
    """Whether the text is a registry's host, with an optional port and path."""
    return len(text) <= _MAX_LENGTH and _REGISTRY_PATTERN.fullmatch(text) is not None


def is_image(text: str) -> bool:
    """Whether the text is a reference to an image, as a container's ``image`` takes it."""
    return len(text) <= _MAX_LENGTH and _IMAGE_PATTERN.fullmatch(text) is not None


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
    repository: Text
    tag: Text | None
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

    def faults(self, scope: Scope) -> Iterator[tuple[Reference, str]]:
        """Yield the references whose values spoil the image, each with what was expected of it."""
        if not _matches(_REPOSITORY_PATTERN, self.repository.render(scope, kubelet=False)):
            for reference in self.repository.references:
                yield (
                    reference,
                    "a part of an image's name: lower-case letters, digits, '.', '_', '-' and '/'",
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
