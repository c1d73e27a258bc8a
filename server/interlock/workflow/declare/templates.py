"""Templates in texts: `${workflow_data.order.lines[0].price}`.

Laws:
- A template is a path that begins with a root, such as `input`. Nothing is evaluated, and what is filled in is never
  looked through for templates itself.
- A text that is one template becomes the value at its path, with its JSON type; null if it is missing. Inside a longer
  text, a text is inserted as it is, anything else as JSON, and nothing for null and for what is missing.
- Roots may be kept for a second filling, as secrets are until a request is sent. Filling in twice then gives exactly
  what filling in once would: no data, whatever is in it, becomes a template in between. A `$` that would begin one is
  written `${$}`, which stands for `$`, also where an author writes it; `${}` stands for nothing.
- What isn't a template stays as it is written. Filling in never raises, isn't recursive, and takes time in proportion
  to what comes out, which `MAX_TEMPLATES` bounds.

Source: `docs/machines.md`, "Templates".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from interlock.workflow.declare.checks import Fault, first_of, inside, instead, quoted
from interlock.workflow.declare.data_paths import MISSING, Found, found, parts_of
from interlock_protocol.types import JsonValue

MAX_TEMPLATES: Final = 100
"""How many templates one value may have in all its texts: each may be filled in with all data of a machine."""

_TEMPLATE = re.compile(r"\$\{([^{}]*+)\}")
_ESCAPES: Final = ("$", "")
_DOLLAR: Final = "${$}"
_NOTHING: Final = "${}"

_Place: TypeAlias = "tuple[_Place, object] | None"
"""Where a part of a value is: the place of what it is in, and its key or index there; None for the value itself."""


def expand(
    value: JsonValue,
    roots: Mapping[str, JsonValue],
    *,
    keep: frozenset[str] = frozenset(),
    quote: Callable[[str], str] | None = None,
) -> JsonValue:
    """A copy of a value in which all texts are filled in, at any depth; keys of objects aren't.

    Args:
        roots: what the first names of paths stand for.
        keep: the roots whose templates stay as they are, for a second filling.
        quote: applied to whatever is filled in inside a text, as in a URL; not to the value of a text that is one
            template.
    """
    return _mapped(value, lambda text: _filled(text, roots, keep, quote))


def paths_in(value: JsonValue) -> frozenset[str]:
    """The paths of all templates in a value."""
    texts = (part for part, _ in _walk(value) if isinstance(part, str))
    named = (match[1].strip() for text in texts for match in _TEMPLATE.finditer(text))
    return frozenset(path for path in named if parts_of(path) is not None)


def inert(value: JsonValue) -> JsonValue:
    """A copy of a value which, filled in, is that value again, whatever stands in its texts."""
    return _mapped(value, lambda text: _joined([(text, False)]))


def is_one(text: str) -> bool:
    """Return True if a text is one template, and so becomes a value with its type."""
    match = _TEMPLATE.fullmatch(text)
    return match is not None and not _is_escape(match)


def written(value: Found) -> str:
    """A value as it stands inside a text."""
    if value is MISSING or value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:  # deeper than anything that the wire carries
        return ""


# ── Filling in ──────────────────────────────────────────────────────────────────────────────────────────


def _mapped(value: JsonValue, change: Callable[[str], JsonValue]) -> JsonValue:
    """A copy of a value, with every text in it changed; what a text was changed to isn't looked into."""
    top: list[JsonValue] = [value]
    left: list[tuple[dict[str, JsonValue] | list[JsonValue], str | int]] = [(top, 0)]
    while left:
        container, key = left.pop()
        each: JsonValue = container[key]  # type: ignore[index]
        if isinstance(each, str):
            each = change(each)
        elif isinstance(each, dict):
            each = dict(each)
            left.extend((each, name) for name in each)
        elif isinstance(each, list):
            each = list(each)
            left.extend((each, index) for index in range(len(each)))
        container[key] = each  # type: ignore[index]
    return top[0]


def _filled(
    text: str, roots: Mapping[str, JsonValue], keep: frozenset[str], quote: Callable[[str], str] | None
) -> JsonValue:
    if "${" not in text:
        return text
    whole = _TEMPLATE.fullmatch(text)
    if whole is not None and _is_path(whole) and _root(whole) not in keep:
        value = _value(whole, roots)
        return None if value is MISSING else _mapped(value, lambda each: _joined([(each, False)])) if keep else value
    pieces = [
        (piece if match is None or _stays(match, keep) else _inserted(match, roots, quote), _is_kept(match, keep))
        for match, piece in _pieces(text)
    ]
    if not keep:
        return "".join(piece for piece, _ in pieces)
    joined = _joined(pieces)
    # A text that has become one template isn't one: its value is still filled in as text.
    return joined + _NOTHING if whole is None and _TEMPLATE.fullmatch(joined) else joined


def _pieces(text: str) -> Iterator[tuple[re.Match[str] | None, str]]:
    """The templates of a text, and the pieces between them."""
    end = 0
    for match in _TEMPLATE.finditer(text):
        yield None, text[end : match.start()]
        yield match, match[0]
        end = match.end()
    yield None, text[end:]


def _inserted(match: re.Match[str], roots: Mapping[str, JsonValue], quote: Callable[[str], str] | None) -> str:
    if _is_escape(match):
        return match[1]
    text = written(_value(match, roots))
    return text if quote is None else quote(text)


def _value(match: re.Match[str], roots: Mapping[str, JsonValue]) -> Found:
    parts = parts_of(match[1].strip())
    return MISSING if parts is None else found(roots, parts)


def _root(match: re.Match[str]) -> str | None:
    parts = parts_of(match[1].strip())
    return None if parts is None else str(parts[0])


def _is_path(match: re.Match[str]) -> bool:
    return _root(match) is not None


def _is_escape(match: re.Match[str]) -> bool:
    return match[1] in _ESCAPES


def _is_kept(match: re.Match[str] | None, keep: frozenset[str]) -> bool:
    return match is not None and _root(match) in keep


def _stays(match: re.Match[str], keep: frozenset[str]) -> bool:
    return _is_kept(match, keep) or not (_is_path(match) or _is_escape(match))


def _joined(pieces: list[tuple[str, bool]]) -> str:
    """The pieces as one text, in which only those that are kept are templates.

    Args:
        pieces: each with whether it is a template that is kept.
    """
    joined: list[str] = []
    after = ""
    for piece, is_kept in reversed(pieces):
        joined.append(piece if is_kept else _inert(piece, after))
        after = piece[:1] or after
    return "".join(reversed(joined))


def _inert(piece: str, after: str) -> str:
    """A piece of a text without any beginning of a template.

    Args:
        after: the character that follows it.
    """
    if after == "{" and piece.endswith("$"):
        return _inert(piece[:-1], "") + _DOLLAR
    return piece.replace("${", f"{_DOLLAR}{{")


# ── Faults ──────────────────────────────────────────────────────────────────────────────────────────────


def faults_in(value: object, at: str, roots: frozenset[str]) -> Iterator[Fault]:
    """All that is wrong with the templates in the texts of a value.

    Args:
        at: the path of the value in its definition.
        roots: what a template may begin with there.
    """
    return first_of(_faults(value, at, roots), at)


def _faults(value: object, at: str, roots: frozenset[str]) -> Iterator[Fault]:
    count = 0
    for part, place in _walk(value):
        if isinstance(part, dict) and any(isinstance(key, str) and "${" in key for key in part):
            yield Fault(_path(at, place), "Nothing is filled in in keys; use this key as it is.", is_warning=True)
        for match, piece in _pieces(part) if isinstance(part, str) else ():
            count += match is not None
            if count > MAX_TEMPLATES:
                yield Fault(at, f"There are over {MAX_TEMPLATES} templates in this; have a script compute some of it.")
                return
            if (sentence := _unclosed(piece) if match is None else _wrong(match, roots)) is not None:
                yield Fault(_path(at, place), sentence)


def _walk(value: object) -> Iterator[tuple[object, _Place]]:
    """A value and everything in it, in the order in which it is written."""
    left: list[tuple[object, _Place]] = [(value, None)]
    while left:
        each, place = left.pop()
        yield each, place
        items = each.items() if isinstance(each, dict) else enumerate(each) if isinstance(each, list) else ()
        left.extend(reversed([(inner, (place, key)) for key, inner in items]))


def _path(at: str, place: _Place) -> str:
    keys: list[object] = []
    while place is not None:
        place, key = place
        keys.append(key)
    return inside(at, *reversed(keys))


def _unclosed(piece: str) -> str | None:
    if "${" not in piece:
        return None
    return 'A template begins with "${" here and doesn\'t end; write "${workflow_data.name}", or "${$}{" for the signs.'


def _wrong(match: re.Match[str], roots: frozenset[str]) -> str | None:
    """What is wrong with a template, as a sentence."""
    if match[0] == _DOLLAR:
        return None
    parts = parts_of(match[1].strip())
    if parts is None:
        return (
            f'{quoted(match[0])} isn\'t a path, and nothing is computed; write one such as "${{workflow_data.a.b[0]}}".'
        )
    if parts[0] not in roots:
        known = sorted(roots)
        return f"There is no {quoted(parts[0])} here; {instead(parts[0], known)}"
    if parts == ("secrets",):
        return 'This is every secret there is; name one, such as "${secrets.API_KEY}".'
    return None
