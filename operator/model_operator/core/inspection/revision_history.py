"""The stored revisions of a template: which are the latest, stable and approved, and what runs each."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from model_operator.api import LATEST, STABLE
from model_operator.api.revision import is_revision_hash
from model_operator.core.inspection.ages import age
from model_operator.core.inspection.facts import Object, name_of
from model_operator.core.inspection.listings import Table, image_of
from model_operator.core.objects.manifest import to_manifest
from model_operator.core.templates.parsing import parse_template
from model_operator.core.templates.revisions.kept import (
    Kept,
    is_genuine,
    kept_revision,
    newest_first,
    restored,
)
from model_operator.core.values.text_diff import unified_diff
from model_operator.core.values.words import alternatives

PREVIOUS: Final = "previous"
"""On the command line, the newest revision but the latest."""
WORDS: Final = (LATEST, STABLE, PREVIOUS)
"""What names a revision beside its hash and its number."""
_APPROVED: Final = "approved"
_NONE: Final = "<none>"
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class StoredRevision:
    """A genuine revision of a template.

    Attributes
    ----------
    obj
        The ModelTemplateRevision or ClusterModelTemplateRevision.
    kept
        What of it is read.
    """

    obj: Object
    kept: Kept

    @property
    def hash(self) -> str:
        """The hash of its content."""
        return str(self.kept["hash"])

    @property
    def number(self) -> int:
        """Its number; 0 for one from a file."""
        return int(self.kept["number"])

    @property
    def template_spec(self) -> dict[str, Any]:
        """What the template specified, in a new object."""
        found: dict[str, Any] = restored(self.kept)["spec"]["template_spec"]
        return found


@dataclass(frozen=True, slots=True)
class RevisionHistory:
    """A template with its revisions.

    Attributes
    ----------
    template
        The ModelTemplate or ClusterModelTemplate.
    revisions
        Its genuine revisions, the newest last.
    forged
        Names of those whose content does not have the hash of their name; the operator ignores them, too.
    """

    template: Object
    revisions: tuple[StoredRevision, ...]
    forged: tuple[str, ...] = ()

    @property
    def latest(self) -> str:
        """Hash of the latest valid revision; empty while there is none."""
        return str(_status(self.template).get("latest_revision") or "")

    @property
    def stable(self) -> str:
        """Hash of the stable revision; empty while there is none."""
        return str(_status(self.template).get("stable_revision") or "")

    @property
    def approved(self) -> str:
        """Hash of the approved revision; empty without one."""
        return str((self.template["spec"].get("rollout") or {}).get("approved") or "")

    @property
    def current(self) -> str:
        """Hash of the template as it is now, valid or not."""
        return parse_template(self.template).revision

    def find(self, word: str) -> StoredRevision:
        """Return the revision that a word of the command line names.

        Parameters
        ----------
        word
            One of `WORDS`, a hash, a number, or the name of the revision's object.

        Raises
        ------
        ValueError
            There is none; the message says so.
        """
        name = name_of(self.template)
        if word in WORDS:
            found = {LATEST: self.latest, STABLE: self.stable, PREVIOUS: self._previous()}[word]
            if not found:
                raise ValueError(f"{self._title} has no {word} revision")
            return self._of_hash(found, word)
        if is_revision_hash(word.removeprefix(f"{name}-")):
            return self._of_hash(word.removeprefix(f"{name}-"), word)
        if word.isascii() and word.isdigit():
            numbered = [each for each in self.revisions if each.number == int(word) > 0]
            if numbered:
                return numbered[-1]
            raise ValueError(f"{self._title} has no revision with the number {word}{self._known()}")
        raise ValueError(
            f"a revision must be {alternatives([*WORDS, 'a number', 'a hash of 12 hexadecimal digits'])}, "
            f"got {word!r}"
        )

    def before(self) -> StoredRevision:
        """Return the revision to go back to: the stable one, else the one before.

        Where the template as it is now has no revision, as it is invalid, that is the last valid one.

        Raises
        ------
        ValueError
            There is none.
        """
        for candidate in (self.stable, self.latest, self._previous()):
            if candidate and candidate != self.current:
                return self._of_hash(candidate, candidate)
        raise ValueError(f"{self._title} has no revision but the one that it has now")

    def is_taken_back(self, revision: StoredRevision) -> bool:
        """Return whether a revision was stored after the latest one and is not stable: an edit taken back."""
        if revision.hash == self.stable:
            return False
        latest = [each.number for each in self.revisions if each.hash == self.latest]
        return revision.number > latest[0] > 0 if latest else False

    def marks(self, revision: StoredRevision) -> list[str]:
        """Return what a revision is to its template: latest, stable, approved."""
        found = {LATEST: self.latest, STABLE: self.stable, _APPROVED: self.approved}
        return [word for word, hash_ in found.items() if hash_ == revision.hash]

    @property
    def _title(self) -> str:
        return f"{self.template['kind']} {name_of(self.template)}"

    def _previous(self) -> str:
        others = [each.hash for each in self.revisions if each.hash not in (self.latest, self.current)]
        return others[-1] if others else ""

    def _of_hash(self, wanted: str, word: str) -> StoredRevision:
        for each in self.revisions:
            if each.hash == wanted:
                return each
        name = f"{name_of(self.template)}-{wanted}"
        if name in self.forged:
            raise ValueError(f"revision {name} is ignored: its content does not have the hash of its name")
        raise ValueError(f"{self._title} has no stored revision {word}{self._known()}")

    def _known(self) -> str:
        known = [each.hash for each in self.revisions[-_SHOWN:]]
        return f"; known: {', '.join(reversed(known))}" if known else "; none is stored"


def read_history(template: Object, revisions: Iterable[Object]) -> RevisionHistory:
    """Return the history of a template.

    Parameters
    ----------
    template
        The template.
    revisions
        Revisions of its kind and namespace, also those of other templates.
    """
    by_name = {
        name_of(each): StoredRevision(each, kept_revision(each))
        for each in revisions
        if is_revision_name(name_of(each), template)
    }
    genuine = [each for each in by_name.values() if is_genuine(each.kept)]
    order = [each["metadata"]["name"] for each in newest_first(each.kept for each in genuine)]
    return RevisionHistory(
        template,
        tuple(by_name[name] for name in reversed(order)),
        tuple(sorted(by_name.keys() - set(order))),
    )


def is_revision_name(name: str, template: Object) -> bool:
    """Return whether an object with this name may be a revision of a template."""
    prefix = f"{name_of(template)}-"
    return name.startswith(prefix) and is_revision_hash(name.removeprefix(prefix))


def history_table(
    history: RevisionHistory, instances: Sequence[Object], now: datetime.datetime, *, wide: bool
) -> Table:
    """Return a table of revisions, the newest last, as ``kubectl rollout history`` has them.

    Parameters
    ----------
    history
        The template with its revisions.
    instances
        ModelInstances, also those of other templates.
    now
        The current time, for ages.
    wide
        Whether to show the image.
    """
    at = _counted(history.template, instances)
    rows: list[tuple[str, ...]] = []
    for each in history.revisions:
        row: tuple[str, ...] = (
            each.hash,
            str(each.number) if each.number else _NONE,
            str(at.get(each.hash, 0)),
            ", ".join(history.marks(each)) or _NONE,
            age(each.obj["metadata"].get("creationTimestamp"), now),
        )
        rows.append((*row, image_of(each.template_spec)) if wide else row)
    columns = ("REVISION", "NUMBER", "INSTANCES", "MARKS", "AGE")
    return Table((*columns, "IMAGE") if wide else columns, rows)


def revision_diff(history: RevisionHistory, before: StoredRevision, after: StoredRevision) -> list[str]:
    """Return the lines of a diff of the specifications of two revisions; none when they are equal."""
    old, new = (to_manifest(each.template_spec).splitlines() for each in (before, after))
    titles = (_titled(history, each) for each in (before, after))
    return list(unified_diff(old, new, *titles))


def _titled(history: RevisionHistory, revision: StoredRevision) -> str:
    words = [f"number {revision.number}" if revision.number else "from a file", *history.marks(revision)]
    return f"{name_of(revision.obj)} ({', '.join(words)})"


def _counted(template: Object, instances: Iterable[Object]) -> Mapping[str, int]:
    """Return how many instances run each revision, with all or one of their deployments."""
    counts: dict[str, int] = {}
    for each in instances:
        status = _status(each)
        bound = status.get("template") or {}
        if bound.get("uid") != template["metadata"]["uid"]:
            continue
        entries = status.get("deployments") or ()
        run = {bound.get("revision"), *(entry.get("template_revision") for entry in entries)}
        for revision in run - {None}:
            counts[revision] = counts.get(revision, 0) + 1
    return counts


def _status(obj: Object) -> Object:
    return obj.get("status") or {}
