"""What names a revision, which one an undo goes back to, and what the table and the diff show."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from model_operator.core.inspection.revision_history import (
    RevisionHistory,
    history_table,
    read_history,
    revision_diff,
)
from tests.unit.core.inspection.histories import hash_of, stored, template, with_status

NOW = datetime.datetime(2026, 1, 1, 0, 5, tzinfo=datetime.UTC)
ONE, TWO, THREE = (template(tag) for tag in ("1", "2", "3"))
FIRST, SECOND, THIRD = map(hash_of, (ONE, TWO, THREE))


def history(
    now: dict[str, Any] = THREE, *, latest: str = THIRD, stable: str = "", **spec: Any
) -> RevisionHistory:
    found = {"latest_revision": latest} | ({"stable_revision": stable} if stable else {})
    obj = with_status({**now, "spec": {**now["spec"], **spec}}, **found)
    other = {**stored(ONE, 9), "metadata": {"name": f"encoder-large-{FIRST}"}}
    return read_history(obj, [stored(TWO, 2), stored(THREE, 3), other, stored(ONE, 1)])


def test_the_newest_is_last_and_others_are_left_out() -> None:
    assert [(each.hash, each.number) for each in history().revisions] == [(FIRST, 1), (SECOND, 2), (THIRD, 3)]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("latest", THIRD),
        ("stable", FIRST),
        ("previous", SECOND),
        (SECOND, SECOND),
        (f"encoder-{SECOND}", SECOND),
        ("2", SECOND),
    ],
)
def test_what_names_a_revision(word: str, expected: str) -> None:
    assert history(stable=FIRST).find(word).hash == expected


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("stable", "ModelTemplate encoder has no stable revision"),
        ("4", f"has no revision with the number 4; known: {THIRD}, {SECOND}, {FIRST}"),
        ("0", "has no revision with the number 0"),
        ("0123456789ab", f"has no stored revision 0123456789ab; known: {THIRD}"),
        ("newest", "must be latest, stable, previous, a number or a hash of 12 hexadecimal digits, got"),
        ("", "must be latest, "),
        ("encoder-large", "must be latest, "),
    ],
)
def test_what_names_none(word: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        history().find(word)


def test_a_forged_revision_is_none() -> None:
    forged = stored(TWO, 2)
    forged["spec"]["template_spec"]["model_type"] = "AGENT"
    found = read_history(with_status(ONE, latest_revision=FIRST), [stored(ONE, 1), forged])

    assert [each.hash for each in found.revisions] == [FIRST]
    assert found.forged == (f"encoder-{SECOND}",)
    with pytest.raises(ValueError, match="is ignored: its content does not have the hash of its name"):
        found.find(SECOND)


def test_the_number_of_a_hash_is_no_number() -> None:
    found = read_history(with_status(ONE, latest_revision=FIRST), [])

    with pytest.raises(ValueError, match="has no stored revision 123456789012; none is stored"):
        found.find("123456789012")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(history(stable=FIRST), FIRST, id="stable, in the middle of a roll-out"),
        pytest.param(history(stable=THIRD), SECOND, id="the one before, once the latest is stable"),
        pytest.param(history(), SECOND, id="the one before, without a stable one"),
        pytest.param(history(TWO, latest=SECOND, stable=SECOND), THIRD, id="back again"),
        pytest.param(
            history(template("invalid"), latest=THIRD, stable=THIRD), THIRD, id="the last valid one"
        ),
        pytest.param(history(template("invalid"), latest=THIRD), THIRD, id="the last valid one, none stable"),
        pytest.param(
            history(template("invalid"), latest=THIRD, stable=FIRST), FIRST, id="stable, with an invalid edit"
        ),
    ],
)
def test_what_an_undo_goes_back_to(given: RevisionHistory, expected: str) -> None:
    assert given.before().hash == expected


def test_which_revisions_a_template_is_taken_back() -> None:
    given = history(TWO, latest=SECOND, stable=SECOND)

    assert [given.is_taken_back(each) for each in given.revisions] == [False, False, True]
    assert not any(history(TWO, latest=SECOND, stable=THIRD).is_taken_back(each) for each in given.revisions)
    assert not any(history().is_taken_back(each) for each in history().revisions)
    assert not any(history(latest="").is_taken_back(each) for each in history().revisions)


def test_an_undo_needs_another_revision() -> None:
    found = read_history(with_status(ONE, latest_revision=FIRST, stable_revision=FIRST), [stored(ONE, 1)])

    with pytest.raises(ValueError, match="has no revision but the one that it has now"):
        found.before()


def model(revision: str, *deployments: str, uid: str = "t1") -> dict[str, Any]:
    bound = {"uid": uid, "revision": revision}
    return {
        "status": {"template": bound, "deployments": [{"template_revision": each} for each in deployments]}
    }


def test_table() -> None:
    given = history(stable=FIRST, rollout={"approved": THIRD})
    from_file = stored(template("0"), None)
    given = read_history(given.template, [*(each.obj for each in given.revisions), from_file])
    models = [model(FIRST), model(FIRST, SECOND, FIRST), model(THIRD, uid="t2"), {"spec": {}}]

    table = history_table(given, models, NOW, wide=True)

    assert table.columns == ("REVISION", "NUMBER", "INSTANCES", "MARKS", "AGE", "IMAGE")
    assert table.rows == [
        (hash_of(template("0")), "<none>", "0", "<none>", "5m", "registry.test/encoder:0"),
        (FIRST, "1", "2", "stable", "5m", "registry.test/encoder:1"),
        (SECOND, "2", "1", "<none>", "5m", "registry.test/encoder:2"),
        (THIRD, "3", "0", "latest, approved", "5m", "registry.test/encoder:3"),
    ]


def test_diff() -> None:
    given = history(stable=FIRST)

    lines = revision_diff(given, given.find("stable"), given.find("latest"))

    assert lines[:2] == [
        f"--- encoder-{FIRST} (number 1, stable)",
        f"+++ encoder-{THIRD} (number 3, latest)",
    ]
    assert [line for line in lines[2:] if line[0] in "+-"] == ["-    tag: '1'", "+    tag: '3'"]
    assert revision_diff(given, given.find("latest"), given.find("3")) == []
