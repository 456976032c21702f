"""Findings as text for people, as JSON, as SARIF for code scanners, and as GitHub's annotations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

from model_operator.core.offline.findings import Finding, Severity
from model_operator.core.offline.stored_form import unevaluated_rules
from model_operator.core.values.printable import escaped, printable, to_json
from model_operator.core.values.words import plural

# A `_` within a word marks nothing, and our fields are full of them; `:` and `www.` make links of URLs.
_MARKS: Final = re.compile(
    r"[\\`*\[\]()<>#|~!&@{}]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.|^[-+=]"
)
_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


class ReportFormat(StrEnum):
    """How findings are written."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a check.

    Attributes
    ----------
    findings
        The findings, sorted.
    files, objects, others
        Number of files, of objects of our kinds in them, and of objects of other kinds.
    version
        Version of the program.
    kubernetes
        Version of Kubernetes whose schemas were used.
    """

    findings: Sequence[Finding]
    files: int
    objects: int
    others: int
    version: str
    kubernetes: str

    def count(self, severity: Severity) -> int:
        """Return the number of findings of a severity."""
        return sum(finding.severity is severity for finding in self.findings)

    @property
    def summary(self) -> str:
        """The counts, in one line."""
        errors, warnings = self.count(Severity.ERROR), self.count(Severity.WARNING)
        found = f"{plural(errors, 'error')}, {plural(warnings, 'warning')}"
        skipped = f"; {plural(self.others, 'object')} of other kinds skipped" if self.others else ""
        return f"{plural(self.objects, 'object')} in {plural(self.files, 'file')}: {found}{skipped}"


def written(report: Report, form: ReportFormat) -> str:
    """Return a report as text that ends with a line break, or an empty text.

    Parameters
    ----------
    report
        The result.
    form
        The output format.
    """
    match form:
        case ReportFormat.TEXT:
            return "".join(f"{printable(str(finding))}\n" for finding in report.findings)
        case ReportFormat.GITHUB:
            return "".join(f"{_github(finding)}\n" for finding in report.findings)
        case ReportFormat.JSON:
            return to_json(_json(report), indent=2)
        case ReportFormat.SARIF:
            return to_json(_sarif(report), indent=2)


def _json(report: Report) -> dict[str, Any]:
    return {
        "version": 1,
        "kubernetes": report.kubernetes,
        "files": report.files,
        "objects": report.objects,
        "other_objects": report.others,
        "findings": [
            {
                "file": found.source,
                "line": found.position.line,
                "column": found.position.column,
                "severity": found.severity.value,
                "object": found.subject,
                "path": found.path,
                "message": found.message,
                "code": found.code,
            }
            for found in report.findings
        ],
        "not_evaluated": [
            {"kind": kind, "path": path, "message": message} for kind, path, message in unevaluated_rules()
        ],
    }


def _sarif(report: Report) -> dict[str, Any]:
    codes = sorted({found.code for found in report.findings})
    rules = [{"id": code, "shortDescription": {"text": _markdown(code.replace("_", " "))}} for code in codes]
    places = {code: number for number, code in enumerate(codes)}
    driver = {"name": "model-operator", "semanticVersion": report.version, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(found, places) for found in report.findings],
    }
    return {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _sarif_result(found: Finding, codes: Mapping[str, int]) -> dict[str, Any]:
    physical = {
        "artifactLocation": {"uri": quote(found.source, errors="surrogateescape")},
        "region": {"startLine": found.position.line, "startColumn": found.position.column},
    }
    location: dict[str, Any] = {"physicalLocation": physical}
    if found.subject:
        location["logicalLocations"] = [{"fullyQualifiedName": found.subject, "kind": "object"}]
    return {
        "ruleId": found.code,
        "ruleIndex": codes[found.code],
        "level": found.severity.value,
        "message": {"text": _markdown(_with_path(found))},
        "locations": [location],
    }


def _github(found: Finding) -> str:
    """Return a workflow command; unescaped text could be read as another command."""
    properties = {
        "file": found.source,
        "line": str(found.position.line),
        "col": str(found.position.column),
        "title": found.subject or "YAML",
    }
    written_properties = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items())
    return f"::{found.severity.value} {written_properties}::{_escaped(_with_path(found))}"


def _escaped(text: str, more: str = "") -> str:
    for character in ("%", "\r", "\n", *more):
        text = text.replace(character, f"%{ord(character):02X}")
    return escaped(text)


def _markdown(text: str) -> str:
    """Return a text that viewers of SARIF show unchanged, whether they read Markdown or links in brackets."""
    return _MARKS.sub(r"\\\g<0>", printable(text))


def _with_path(found: Finding) -> str:
    return f"{found.path}: {found.message}" if found.path else found.message
