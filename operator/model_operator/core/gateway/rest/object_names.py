"""Names of Kubernetes objects: the one for a text that people chose, and which texts are none."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256
from typing import Final

_LABEL_1123: Final = re.compile("[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035: Final = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN_1123: Final = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_OTHER: Final = re.compile("[^a-z0-9]+")
_MARKS: Final = re.compile("[\u0300-\u036f'\u2019]+")
_DIGEST_CHARACTERS: Final = 8
_LETTER_BEFORE: Final = "m-"
"""What goes before a name that starts with a digit, for objects whose names may not."""


def may_be_object_name(text: str) -> bool:
    """Return whether an object or a namespace can have a name (RFC 1123)."""
    return _SUBDOMAIN_1123.fullmatch(text) is not None


def object_name(text: str, longest: int, *, starts_with_letter: bool) -> str | None:
    """Return the slug of a text; None when no letter or digit of ASCII is left of it.

    A text that is a name already comes back as it is. The same text always gives the same name, so that a
    request that is sent twice names one object. A slug that is too long ends with a part of the text's hash:
    names of versions of a model differ at their end.

    Parameters
    ----------
    text
        Any text, such as ``Llama 3.1 (8B)``, which gives ``llama-3-1-8b``.
    longest
        Maximum number of characters; at least 20.
    starts_with_letter
        Whether the name must start with a letter (RFC 1035), or may start with a digit (RFC 1123).
    """
    label = _LABEL_1035 if starts_with_letter else _LABEL_1123
    if len(text) <= longest and label.fullmatch(text):
        return text
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", text)).lower()
    slug = _OTHER.sub("-", plain).strip("-")
    if not slug:
        return None
    if starts_with_letter and slug[0].isdigit():
        slug = f"{_LETTER_BEFORE}{slug}"
    if len(slug) <= longest:
        return slug
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{slug[: longest - _DIGEST_CHARACTERS - 1].rstrip('-')}-{digest}"
