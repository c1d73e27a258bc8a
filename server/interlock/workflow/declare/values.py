"""The border: where an author's values become JSON of the wire, and JSON becomes an author's models again.

Laws:
- Every value of an author's (what is declared, what a step gives back, what a session keeps) crosses here, once, where
  it comes from: it becomes plain JSON that every client can read, or is `NotWire`.
- A model that code makes is written as it dumps itself, `model_dump(mode="json")`, wherever it stands: alone, in a
  list, in a session, as an expression sees it. So is what pydantic knows how to write: enums, dates, decimals, sets.
- What clients fill in (`kept`) stands under the names that clients know: the aliases.
- A model is read in one way: from JSON, by its aliases and by its names, so that it takes what was written of it, and
  that strict ones take their dates and enums as JSON has them. What code is given is read from what was logged, also
  the first time: it is the same after a restart.
- An iterator is refused, and not asked for anything: what it does is its author's, and may never end. So is what stands
  in so many places that JSON, which repeats it in each, would grow beyond all bounds.
- Nothing that is returned shares an object with what was given.

Source: `docs/workflows.md`, "What crosses the border".
"""

from __future__ import annotations

import dataclasses
import enum
import unicodedata
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter
from pydantic_core import from_json, to_json

from interlock.secrets.port import struck
from interlock.workflow.declare.errors import DeclarationError
from interlock_protocol.limits import KIB, MAX_CLIENT_DEPTH, MAX_NAME, MAX_OUTPUT_BYTES, MAX_TEXT_BYTES
from interlock_protocol.types import JsonValue, PathPart
from interlock_protocol.values import (
    NO_NUMBER,
    REPEATED,
    SURROGATE,
    NotWire,
    check,
    is_text,
    repeated,
    too_large,
    written,
)

M = TypeVar("M", bound=BaseModel)

MAX_ERROR_CHARACTERS = 8192

_ANY = TypeAdapter(Any, config=ConfigDict(ser_json_inf_nan="constants"))
_ESCAPED = 6
"""How many bytes of JSON a character may become: a control character, as an escape."""


def wire(value: Any, what: str = "a value", *, depth: int = MAX_CLIENT_DEPTH) -> JsonValue:
    """A value as plain JSON.

    Args:
        what: what it is, for the sentence about one that is too large.
        depth: how deep it may be nested.

    Raises:
        NotWire: JSON can't carry it, or it is over `MAX_OUTPUT_BYTES`.
    """
    if type(value) is str:
        return text(value, what)
    if repeated(value, _parts) > MAX_OUTPUT_BYTES:
        raise NotWire(REPEATED)
    try:
        check(value, depth)
    except NotWire:
        value = _dumped(value)
        check(value, depth)
    data = written(value)
    if len(data) > MAX_OUTPUT_BYTES:
        raise too_large(len(data), MAX_OUTPUT_BYTES, what)
    plain: JsonValue = from_json(data)
    return plain


def text(value: str, what: str = "a text") -> str:
    """A text as it is: the quick way of `wire`, for what is streamed.

    Raises:
        NotWire: it has a lone surrogate, or is over `MAX_OUTPUT_BYTES`.
    """
    if not is_text(value):
        raise NotWire(SURROGATE)
    if len(value) * _ESCAPED > MAX_OUTPUT_BYTES:
        size = len(to_json(value))
        if size > MAX_OUTPUT_BYTES:
            raise too_large(size, MAX_OUTPUT_BYTES, what)
    return value


def legible(given: str, most: int = MAX_ERROR_CHARACTERS) -> str:
    """A text of whoever's, as it may be told: cut, and without lone surrogates."""
    return given[:most].encode(errors="replace").decode()


def told(error: BaseException) -> str:
    """What an exception says, all of it; its name, where it says nothing or can't."""
    try:
        return str(error) or type(error).__name__
    except BaseException:  # whoever can't say what went wrong has still gone wrong
        return type(error).__name__


def said(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """What an exception says, as it may be told.

    Args:
        secrets: what is struck out of it, before it is cut: a part of a secret is none that could be found.
    """
    return legible(str(struck(told(error), secrets)))


def _dumped(value: Any) -> Any:
    """What pydantic makes of a value that isn't plain JSON. A serializer is its author's: it may raise anything.

    What an exception says stays whole in the sentence: whoever tells it strikes secrets out of it, and cuts it then.
    """
    try:
        return _as_json(value, _ANY.dump_python)
    except NotWire:
        raise
    except Exception as error:
        raise NotWire(f"this isn't JSON: {told(error)}", _path_to_fault(value, MAX_CLIENT_DEPTH)) from error


def _as_json(value: Any, dump: Callable[..., Any]) -> Any:
    """A value dumped as JSON, after a look at what would get lost on the way, or never come to an end.

    Raises:
        NotWire: there is such.
        Exception: whatever a serializer of its author's raises.
    """
    _look_for_losses(dump(value, mode="python"))
    return dump(value, mode="json")


def _look_for_losses(value: Any) -> None:
    """Of two keys that are one as text, JSON would have one; of NaN in some fields of a model, null: nobody were told.

    An iterator is its author's code, which may block, or never end: it isn't asked for what it gives.

    Args:
        value: what pydantic makes of it for Python: dicts for models, but their keys and numbers as they are.
    """
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, Iterator):
        raise NotWire("an iterator isn't JSON; make a list of it")
    if isinstance(value, float) and value - value != 0:
        raise NotWire(NO_NUMBER)
    if isinstance(value, dict) and not all(type(key) is str for key in value) and _have_twins(value):
        raise NotWire("two keys of an object are the same as text")
    for key, each in _items(value):
        try:
            _look_for_losses(each)
        except NotWire as fault:
            fault.path.insert(0, key)
            raise


def _parts(value: Any) -> Collection[Any] | None:
    """The values in what pydantic can write, besides lists and dicts."""
    if isinstance(value, set | frozenset | deque):
        return value
    if isinstance(value, BaseModel):
        return [*value.__dict__.values(), *(value.__pydantic_extra__ or {}).values()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, each.name, None) for each in dataclasses.fields(value)]
    return None


def _have_twins(keys: Collection[Any]) -> bool:
    try:
        return len(_ANY.dump_python(dict.fromkeys(keys), mode="json")) < len(keys)
    except Exception:  # keys that can't be text are told of when all is dumped
        return False


def _items(value: Any) -> Iterator[tuple[PathPart, Any]]:
    if isinstance(value, dict):
        return ((key if isinstance(key, int) else str(key), each) for key, each in value.items())
    return iter(enumerate(value)) if isinstance(value, list | tuple | set | frozenset | deque) else iter(())


def _path_to_fault(value: Any, depth: int) -> Iterable[PathPart]:
    """The keys and indexes that lead to what can't be dumped."""
    if depth == 0:
        return ()
    for key, each in _items(value):
        try:
            _as_json(each, _ANY.dump_python)
        except Exception:
            return [key, *_path_to_fault(each, depth - 1)]
    return ()


# ── Models ──────────────────────────────────────────────────────────────────────────────────────────────


def read(model: type[M], value: JsonValue, *, extra: Literal["forbid"] | None = None) -> M:
    """A model's instance of what was logged for it.

    Args:
        extra: refuse what the model has no field for, whatever its own configuration says.

    Raises:
        ValidationError: it doesn't fit.
        Exception: whatever a validator of the model's raises.
    """
    return model.model_validate_json(to_json(value), by_alias=True, by_name=True, extra=extra)


def kept(model: type[BaseModel], value: JsonValue, what: str) -> JsonValue:
    """What is logged of a value that a model takes: with the model's defaults, and such that `read` gives it again.

    It is written by the model's aliases; by its names where those aren't what it is read by.

    Raises:
        NotWire: it can't be written, or not so that it can be read again.
        ValidationError: it doesn't fit.
        Exception: whatever a validator of the model's raises.
    """
    given = read(model, value)
    for by_alias in (True, False):
        plain = wire(dumped_as(given, by_alias=by_alias), what)
        if leads_back(model, plain, given, extra="forbid" if by_alias else None):
            return plain
    raise NotWire("it can't be written as JSON and read back: a secret, perhaps, or a field that is excluded")


def dumped_as(given: BaseModel, *, by_alias: bool) -> Any:
    """What can be read as a model again, under its aliases or its names.

    Raises:
        NotWire: it can't be written as JSON.
    """
    try:
        return _as_json(given, partial(type(given).model_dump, by_alias=by_alias, round_trip=True))
    except NotWire:
        raise
    except Exception as error:
        raise NotWire(f"this isn't JSON: {told(error)}") from error


def leads_back(model: type[M], plain: JsonValue, given: M, *, extra: Literal["forbid"] | None = None) -> bool:
    """Whether what is written of a model reads as the same again."""
    try:
        return bool(read(model, plain, extra=extra) == given)
    except Exception:  # its validators, or its comparison
        return False


# ── Declarations ────────────────────────────────────────────────────────────────────────────────────────


def declared(value: Any, what: str) -> JsonValue:
    """A value that is declared, as plain JSON.

    Raises:
        DeclarationError: JSON can't carry it.
    """
    try:
        return wire(value, what)
    except NotWire as fault:
        raise DeclarationError(f"{what} can't be written as JSON: {fault}.") from fault


def check_text(given: Any, what: str) -> None:
    """See that what is declared for people is a text, and not one that writes itself later; None is none.

    Raises:
        DeclarationError: it isn't, or it is longer than `MAX_TEXT_BYTES`.
    """
    if given is None:
        return
    if not isinstance(given, str):
        raise DeclarationError(f"{what} is a text, not of the type {type(given).__name__}.")
    if not is_text(given):
        raise DeclarationError(f"{what} has half a surrogate pair in it; leave it out.")
    if len(to_json(given)) > MAX_TEXT_BYTES:
        raise DeclarationError(f"{what} is over {MAX_TEXT_BYTES // KIB} KiB; shorten it.")


def check_name(name: str, what: str) -> None:
    """See that a name can be joined with others to ids, and travels.

    Raises:
        DeclarationError: it is longer than `MAX_NAME`, or has characters that aren't shown.
    """
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise DeclarationError(f"{what} has a control character or half a surrogate pair in it; leave it out.")
    if len(name) > MAX_NAME:
        raise DeclarationError(f"{what} has {len(name)} characters; at most {MAX_NAME} are allowed.")
