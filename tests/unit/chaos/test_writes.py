"""What of the audit log counts as a write of an operator, and that nothing of it is missed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.writes import Writes
from tests.cluster.cluster import OPERATOR_USER


def line(name: str, **changes: Any) -> str:
    event = {
        "user": {"username": changes.get("user", OPERATOR_USER)},
        "userAgent": changes.get("agent", "model-operator/1"),
        "verb": "patch",
        "objectRef": {"resource": changes.get("resource", "deployments"), "namespace": "a", "name": name},
        "responseStatus": {"code": changes.get("code", 200)},
        "requestReceivedTimestamp": changes.get("received", "2026-01-01T00:00:00Z"),
        "stageTimestamp": "2026-01-01T00:00:00Z",
        "requestURI": "/apis?" + changes.get("query", ""),
    }
    return json.dumps(event) + "\n"


def test_what_counts(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    others = (
        line("m", user="admin"),
        line("m", code=409),
        line("m", resource="events"),
        line("", resource="selfsubjectaccessreviews"),
        line("m", query="dryRun=All&force=true"),
    )
    log.write_text("".join(others))
    writes = Writes(log)
    assert writes.read() == []
    with log.open("a") as file:
        file.write(line("m"))
    assert writes.read() == ["2026-01-01T00:00:00Z model-operator patch deployments a/m → 200"]
    assert writes.operators == 1
    assert len(writes.history("a", {"m"})) == len(others)
    assert writes.history("b", {"m"}) == []
    writes.close()


def test_a_line_that_is_being_written_comes_when_it_is_complete(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    whole = line("m")
    log.write_text(whole[:50])
    writes = Writes(log)
    assert writes.read() == []
    with log.open("a") as file:
        file.write(whole[50:])
    assert len(writes.read()) == 1
    writes.close()


def test_a_rotated_log_is_read_to_its_end(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(line("first"))
    writes = Writes(log)
    assert len(writes.read()) == 1
    with log.open("a") as file:
        file.write(line("second"))
    log.rename(tmp_path / "audit-old.log")
    log.write_text(line("third"))
    assert [each.split("/")[1].split()[0] for each in writes.read()] == ["second", "third"]
    writes.close()


def test_quiet_ends_with_a_write_of_an_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("tests.chaos.writes.time.monotonic", lambda: now[0])
    log = tmp_path / "audit.log"
    log.write_text("")
    writes = Writes(log)
    now[0] += 5
    assert writes.quiet_seconds() == 5
    with log.open("a") as file:
        file.write(line("m", user="admin"))
    assert writes.quiet_seconds() == 5
    with log.open("a") as file:
        file.write(line("m"))
    assert writes.quiet_seconds() == 0
    writes.close()


def test_who_writes_changes(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text("".join(line("m", agent=agent, received=str(n)) for n, agent in enumerate("aabba")))
    writes = Writes(log)
    assert len(writes.read()) == 5
    assert [told.split()[-1] for told in writes.handovers] == ["b", "a"]
    writes.start_over()
    assert writes.handovers == []
    writes.close()


def test_what_the_api_server_carries_out_late_was_written_when_it_took_it_in(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    carried_out = [("1", "a"), ("3", "b"), ("2", "a"), ("4", "b")]
    log.write_text("".join(line("m", agent=agent, received=received) for received, agent in carried_out))
    writes = Writes(log)
    writes.read()
    assert [told.split()[-1] for told in writes.handovers] == ["b"]
    writes.close()
