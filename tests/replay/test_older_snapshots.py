"""What an older version of the fold has dumped goes on as the log does: a snapshot may be all that is left of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.replay.recording import LOGS, facts_of, read

from interlock.workflow.run.fold import fold
from interlock.workflow.run.state import REDUCER_VERSION, RunState, dump, is_readable, load

OLDER = {
    version: json.loads((Path(__file__).parent / f"snapshots_of_version_{version}.json").read_text("utf-8"))
    for version in (2, 3)
}
"""By version, and by the log that they are of: states, and after how many entries of it they were dumped."""

EACH = [
    pytest.param(version, name, snapshot, id=f"{version}-{name}-{snapshot['after']}")
    for version, names in OLDER.items()
    for name, snapshots in names.items()
    for snapshot in snapshots
]


def test_every_version_that_is_read_has_snapshots_here() -> None:
    assert {version for version in range(REDUCER_VERSION) if is_readable(version)} == set(OLDER)
    assert not is_readable(REDUCER_VERSION + 1), "nobody knows what a later version means"


@pytest.mark.parametrize(("version", "name", "snapshot"), EACH)
def test_older_snapshot_goes_on_as_the_log_does(version: int, name: str, snapshot: dict[str, Any]) -> None:
    fixture = read(LOGS / f"{name}.json")
    folded, loaded = RunState(**fixture["run"]), load(json.dumps(snapshot["state"]).encode(), version)
    for number, entry in enumerate(fixture["entries"], 1):
        fold(folded, entry["event"], entry.get("private"))
        if number > snapshot["after"]:
            fold(loaded, entry["event"], entry.get("private"))
        if number >= snapshot["after"]:
            assert facts_of(loaded) == facts_of(folded)
    assert load(dump(loaded)) == loaded
    assert loaded.deciders.keys() <= folded.deciders.keys(), "who decided before is told by the resolutions"


LATER: dict[str, object] = {"kind": None, "sealed": {}, "inputs": 0, "input": None, "model": None, "offers_else": False}
"""What the first releases of version 2 didn't keep of nodes and requirements, and its default."""


def as_first_releases_dumped(state: dict[str, Any]) -> dict[str, Any] | None:
    """The state without what came later; None if some of that is there."""

    def without(nodes: dict[str, Any]) -> None:
        for node in nodes.values():
            dropped.update({name: node.pop(name) for name in LATER if name != "offers_else" and node.get(name)})
            for name in LATER:
                node.pop(name, None)
            without(node["children"])
            without(node["earlier"])

    dropped: dict[str, Any] = {}
    copy: dict[str, Any] = json.loads(json.dumps(state))
    without(copy["nodes"])
    for each in (*copy["requirements"].values(), *copy["withdrawn"].values()):
        each.pop("offers_else", None)
    for each in copy["resolved"].values():
        each["requirement"].pop("offers_else", None)
        each.pop("private", None)
    return copy if dropped.keys() <= {"kind"} else None


def test_snapshots_of_the_first_releases_of_version_2_go_on_as_their_logs_do() -> None:
    compared = 0
    for name, snapshots in OLDER[2].items():
        fixture = read(LOGS / f"{name}.json")
        for snapshot in snapshots:
            state = as_first_releases_dumped(snapshot["state"])
            if state is None:
                continue
            folded, loaded = RunState(**fixture["run"]), load(json.dumps(state).encode(), 2)
            for number, entry in enumerate(fixture["entries"], 1):
                fold(folded, entry["event"], entry.get("private"))
                if number > snapshot["after"]:
                    fold(loaded, entry["event"], entry.get("private"))
                if number >= snapshot["after"]:
                    assert facts_of(loaded) == facts_of(folded), (name, snapshot["after"], number)
            compared += 1
    assert compared >= 10
