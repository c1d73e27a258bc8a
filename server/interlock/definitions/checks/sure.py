"""Which tasks of a graph surely ran before each other.

Law: it errs on one side only: a task that is said to have run before has run, in whichever way the session came there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.workflow.declare.links import ALWAYS, COMPLETED, Link, Links


def surely_before(tasks: Mapping[str, Mapping[str, Any]], links: Sequence[Link]) -> Mapping[str, frozenset[str]]:
    """For each task, those that have run, well or not, whenever it runs.

    Args:
        links: without a circle.
    """
    joins = {name: "any" for name, task in tasks.items() if task.get("join") == "any"}
    all_links = Links(tuple(links), joins)  # type: ignore[arg-type]
    order = [*(name for name in tasks if name not in all_links.in_order), *all_links.in_order]
    passes: dict[str, bool] = {}
    sure: dict[str, frozenset[str]] = {}
    for name in order:
        into = all_links.into.get(name, ())
        may_not = [_may_not_be_taken(link, passes) for link in into]
        passes[name] = _skips_itself(tasks[name]) or (bool(into) and all(may_not))
        gives = [_given_by(link, sure, passes, all_links) for link in into]
        surely = [each for each, may in zip(gives, may_not, strict=True) if not may]
        if name in joins or not surely:
            sure[name] = frozenset.intersection(*gives) if gives else frozenset()
        else:
            sure[name] = frozenset().union(*surely)
    return sure


def _may_not_be_taken(link: Link, passes: Mapping[str, bool]) -> bool:
    """Whether a link may be left aside, without anything having failed."""
    return link.on != ALWAYS and (link.on != COMPLETED or passes[link.source])


def _skips_itself(task: Mapping[str, Any]) -> bool:
    """Whether a task may end without having run by what it says itself."""
    inputs = task.get("inputs")
    on_timeout = inputs.get("on_timeout") if isinstance(inputs, dict) else None
    return task.get("on_error") in ("skip", "pause") or on_timeout == "skip"


def _given_by(
    link: Link, sure: Mapping[str, frozenset[str]], passes: Mapping[str, bool], links: Links
) -> frozenset[str]:
    """What has surely run if a link is satisfied."""
    if link.on == ALWAYS and (passes[link.source] or links.into.get(link.source)):
        return frozenset()
    return sure[link.source] | {link.source}
