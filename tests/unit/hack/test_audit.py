"""What an audit's answer is worth."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hack.audit import Outcome, conclude, judge, outcome

CLEAN = {"name": "a", "version": "1", "vulns": []}
VULNERABLE = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
UNFIXED = {"name": "c", "version": "3", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
SKIPPED = {"name": "d", "skip_reason": "not found"}


def report(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_nothing_known_is_clean() -> None:
    assert conclude(outcome(0, report(CLEAN), ""), required=True) == (
        "1 packages audited, 0 known vulnerabilities, 0 skipped",
        0,
    )


def test_vulnerabilities_are_named_with_the_version_to_go_to() -> None:
    text, code = conclude(outcome(1, report(CLEAN, VULNERABLE, UNFIXED), "Found 2"), required=False)
    assert code == 1
    assert text.splitlines() == [
        "b 2: PYSEC-1, fixed in 2.1",
        "c 3: PYSEC-2, not fixed",
        "3 packages audited, 2 known vulnerabilities, 0 skipped",
    ]


def test_one_package_that_the_source_does_not_know_is_an_error() -> None:
    text, code = conclude(judge(json.loads(report(CLEAN, SKIPPED))), required=False)
    assert code == 1
    assert "d: not audited: not found" in text


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize(
    ("code", "stdout", "stderr"),
    [
        # What a mirror without advisories is taken for by pip-audit: "No known vulnerabilities found".
        (0, report(SKIPPED, SKIPPED), "No known vulnerabilities found, 2 skipped"),
        (0, report(), ""),
        (1, "", "Traceback …\nrequests.exceptions.ConnectionError: HTTPSConnectionPool(host='osv.test')"),
        (1, "", "pip_audit._service.interface.ServiceError: no answer"),
    ],
    ids=["knows no package", "no package", "no connection", "no answer"],
)
def test_without_an_audit_it_is_loud_and_passes_only_where_none_is_required(
    code: int, stdout: str, stderr: str, *, required: bool
) -> None:
    text, status = conclude(outcome(code, stdout, stderr), required=required)
    assert "AUDIT SKIPPED: no vulnerability was looked for" in text
    assert status == (1 if required else 0)


def test_a_fault_of_the_audit_itself_is_no_skip() -> None:
    found = outcome(2, "", "pip-audit: error: unrecognized arguments: --nonsense")
    assert found == Outcome("pip-audit: error: unrecognized arguments: --nonsense", is_clean=False)
    assert conclude(found, required=False)[1] == 1
