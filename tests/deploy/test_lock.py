"""What is installed is locked: with hashes, as `pyproject.toml` says, and from nowhere in particular."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
GROUPS = PYPROJECT["dependency-groups"]
BASE = PYPROJECT["project"]["dependencies"] + EXTRAS["server"]

DECLARED: dict[str, list[str]] = {
    "server": BASE,
    "dev": BASE + EXTRAS["dev"] + GROUPS["build"],
    "build": PYPROJECT["build-system"]["requires"],
    "node": GROUPS["node"],
}
"""What each file of `requirements/` was made from."""

_ENTRY = re.compile(
    r"(?P<pin>\S+==[^\s;]+(?: ; [^\\]+)?) \\\n(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
)


def text_of(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")


def pins_of(name: str) -> Iterator[tuple[str, str]]:
    """Each locked package, and its version."""
    for entry in _ENTRY.finditer(text_of(name)):
        pin = Requirement(entry["pin"].strip())
        yield canonicalize_name(pin.name), str(pin.specifier).removeprefix("==")


@pytest.mark.parametrize("name", DECLARED)
def test_lock_agrees_with_what_is_declared(name: str) -> None:
    locked: dict[str, list[str]] = {}
    for package, version in pins_of(name):
        locked.setdefault(package, []).append(version)
    for declared in map(Requirement, DECLARED[name]):
        versions = locked.get(canonicalize_name(declared.name), [])
        assert versions, f"{declared} isn't in requirements/{name}.txt; run: make lock"
        assert all(map(declared.specifier.contains, versions)), f"{declared}: {versions} is locked; run: make lock"


@pytest.mark.parametrize("name", DECLARED)
def test_everything_locked_has_a_hash_and_names_no_place(name: str) -> None:
    rest = _ENTRY.sub("", text_of(name))
    assert all(line.startswith("#") for line in rest.splitlines()), rest
    assert "://" not in text_of(name)


@pytest.mark.parametrize("name", ["server", "build"])
def test_what_is_served_is_what_was_tested(name: str) -> None:
    tested = set(pins_of("dev"))
    assert [pin for pin in pins_of(name) if pin not in tested] == []


def test_build_needs_what_the_group_says() -> None:
    assert PYPROJECT["build-system"]["requires"] == GROUPS["build"]
