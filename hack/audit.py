"""Looks for known vulnerabilities in what the operator's image installs: ``python -m hack.audit``.

pip-audit asks; what its answer is worth is decided here. Where the source of advisories does not answer, or
knows no package at all, pip-audit may still say that no vulnerability is known: that is no audit, and is
said to be none. ``--required`` makes it an error.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements-runtime.lock"
# What `requests`, by which pip-audit asks, and pip-audit itself say when there is no answer.
_UNREACHED = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "ProxyError", "SSLError", "ServiceError")


@dataclass(frozen=True)
class Outcome:
    """The result of an audit.

    Attributes
    ----------
    text
        What to print.
    has_asked
        Whether there was an audit at all.
    is_clean
        Whether nothing speaks against a release.
    """

    text: str
    has_asked: bool = True
    is_clean: bool = True


def judge(report: Mapping[str, Any]) -> Outcome:
    """Judge pip-audit's report in JSON."""
    dependencies: list[dict[str, Any]] = report["dependencies"]
    skipped = [each for each in dependencies if "skip_reason" in each]
    if len(skipped) == len(dependencies):
        reason = skipped[0]["skip_reason"] if skipped else "there is nothing to audit"
        return Outcome(f"of {len(dependencies)} packages none is known to the source; {reason}", False, False)
    vulnerable = [
        f"{each['name']} {each['version']}: {found['id']}"
        + (f", fixed in {', '.join(found['fix_versions'])}" if found.get("fix_versions") else ", not fixed")
        for each in dependencies
        for found in each.get("vulns", [])
    ]
    lines = vulnerable + [f"{each['name']}: not audited: {each['skip_reason']}" for each in skipped]
    audited = len(dependencies) - len(skipped)
    summary = f"{audited} packages audited, {len(vulnerable)} known vulnerabilities, {len(skipped)} skipped"
    return Outcome("\n".join([*lines, summary]), is_clean=not lines)


def outcome(code: int, stdout: str, stderr: str) -> Outcome:
    """Judge a run of pip-audit by its exit status and what it has printed."""
    try:
        report = json.loads(stdout)
    except ValueError:
        last = (stderr.strip().splitlines() or [f"exit status {code}"])[-1]
        return Outcome(last, has_asked=not any(word in last for word in _UNREACHED), is_clean=False)
    return judge(report)


def conclude(found: Outcome, *, required: bool) -> tuple[str, int]:
    """Return what to print and the exit status."""
    if found.has_asked:
        return found.text, 0 if found.is_clean else 1
    notice = "=" * 30 + f"\nAUDIT SKIPPED: no vulnerability was looked for: {found.text}\n" + "=" * 30
    return notice, 1 if required else 0


def main(arguments: list[str]) -> int:
    """Audit the lock file; return the exit status."""
    words = ["--requirement", str(LOCK), "--disable-pip", "--format=json", "--progress-spinner=off"]
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *words], capture_output=True, text=True, check=False, timeout=600
    )
    text, code = conclude(
        outcome(done.returncode, done.stdout, done.stderr), required="--required" in arguments
    )
    print(text)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
