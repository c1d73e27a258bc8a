"""How the modules import each other, beyond what the contracts of import-linter say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

import grimp
import pytest

PACKAGES: Final = ("interlock", "interlock_protocol", "interlock_client")
LONGEST_CHAIN: Final = 14
WAIST: Final = {"interlock.workflow.activities", "interlock.workflow.program"}

Imports = Mapping[str, frozenset[str]]


@pytest.fixture(scope="module")
def imports() -> Imports:
    """What each module imports of ours, packages' own exports left out."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True)
    ours = graph.modules - set(PACKAGES)
    return {each: frozenset(graph.find_modules_directly_imported_by(each) & ours) for each in ours}


def test_no_module_imports_itself_by_others(imports: Imports) -> None:
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, f"a circle: {' → '.join((*above[above.index(module) :], module))}"
        if module not in done:
            for imported in imports[module]:
                visit(imported, (*above, module))
            done.add(module)

    for module in imports:
        visit(module, ())


def test_the_longest_way_down_through_rooms_stays_short(imports: Imports) -> None:
    below: dict[str, set[str]] = {}
    for module, imported in imports.items():
        below.setdefault(_room(module), set()).update(map(_room, imported))

    @cache
    def longest(room: str) -> tuple[str, ...]:
        return (room, *max((longest(each) for each in below.get(room, set()) - {room}), key=len, default=()))

    chain = max(map(longest, below), key=len)
    assert len(chain) <= LONGEST_CHAIN, " → ".join(chain)


def test_the_engine_sees_a_workflow_only_by_its_waist(imports: Imports) -> None:
    assert set(_from_engine_to_workflow(imports)) == WAIST


def _from_engine_to_workflow(imports: Imports) -> Iterator[str]:
    for module, imported in imports.items():
        if _room(module) == "interlock.engine":
            yield from (each for each in imported if _room(each) == "interlock.workflow")


def _room(module: str) -> str:
    """The room of a module: a folder or a module directly in the server; the protocol and the client are one each."""
    package, *inside = module.split(".")
    return f"{package}.{inside[0]}" if package == "interlock" else package
