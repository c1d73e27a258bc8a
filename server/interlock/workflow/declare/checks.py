"""What is wrong with a definition in JSON: faults, each with its path and a sentence that says what to do.

Laws:
- A path is written as in JavaScript, from the definition's root: `states.start.transitions[0].target`.
- A sentence quotes names of the definition only, shortened.
- Looking for faults never raises, whatever the definition is, and takes a bounded time: at most `MAX_FAULTS_IN_PART`
  faults of one part are reported, and the search ends there.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from interlock_protocol.faults import shortened

MAX_FAULTS_IN_PART: Final = 200
"""How many faults of one part of a definition are reported, such as a condition or a presentation."""

_LONGEST_MISSPELLING: Final = 64

_TYPES: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a definition.

    Attributes:
        path: where it is.
        message: a sentence that says what to do.
        is_warning: the definition can be used as it is, but probably doesn't do what its author wants.
        code: what kind of fault it is, for programs, where there are such codes.
    """

    path: str
    message: str
    is_warning: bool = False
    code: str = ""


def inside(at: str, *parts: object) -> str:
    """The path of something inside what is at `at`: a number is an index, anything else the key of an object."""
    path = at + "".join(f"[{part}]" if type(part) is int else f".{shortened(str(part))}" for part in parts)
    return path.removeprefix(".")


def first_of(faults: Iterable[Fault], at: str) -> Iterator[Fault]:
    """The first `MAX_FAULTS_IN_PART` of these faults; where there are more, a last one says so."""
    for count, fault in enumerate(faults):
        if count == MAX_FAULTS_IN_PART:
            yield Fault(at, "There is more to mend here; mend these faults, and check again.")
            return
        yield fault


def quoted(word: object) -> str:
    """A name as it stands in a sentence."""
    return f'"{shortened(str(word))}"'


def listed(words: Iterable[str], last: str = "or") -> str:
    """Words in a sentence: `a, b or c`."""
    *most, end = words
    return f"{', '.join(most)} {last} {end}" if most else end


def type_in_words(value: object) -> str:
    """What type of JSON a value has, in words for people: `a text`."""
    return _TYPES.get(type(value), f"of the type {type(value).__name__}")


def meant(word: object, known: Collection[str], synonyms: Mapping[str, str] | None = None) -> str | None:
    """The known word that somebody probably meant who wrote this one.

    Args:
        synonyms: words of other languages for it, in lower case.
    """
    if not isinstance(word, str) or len(word) > _LONGEST_MISSPELLING:
        return None
    lower = word.lower()
    if synonyms is not None and lower in synonyms:
        return synonyms[lower]
    by_lower = {each.lower(): each for each in known}
    return next((by_lower[each] for each in difflib.get_close_matches(lower, by_lower, n=1)), None)


def instead(word: object, known: Collection[str], synonyms: Mapping[str, str] | None = None) -> str:
    """The end of a sentence about a word that isn't known: what was probably meant, else what there is."""
    if (found := meant(word, known, synonyms)) is not None:
        return f'did you mean "{found}"?'
    return f"use {listed(known)}." if known else "leave it out."


def unknown_in(given: Mapping[str, object], known: Collection[str], at: str, what: str) -> Iterator[Fault]:
    """A fault for each key of an object that means nothing there.

    Args:
        what: what the object is, as the beginning of a sentence: `A condition`.
    """
    for key in given:
        if key not in known:
            yield Fault(inside(at, key), f"{what} has no {quoted(key)}; {instead(key, known)}")
