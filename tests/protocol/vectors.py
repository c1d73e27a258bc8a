"""The golden vectors, read once."""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "protocol" / "vectors"


def load(name: str) -> list[dict[str, Any]]:
    """One file of vectors."""
    vectors: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return vectors


MESSAGES = [*load("client"), *load("control"), *load("events")]
INVALID = load("invalid")


def kind_of(message: dict[str, Any]) -> str:
    """What it is called on the wire. (An `ack` has both: its own event, and the action it answers.)"""
    return str(message.get("event") or message["action"])


def name_of(vector: dict[str, Any]) -> str:
    return str(vector["name"])
