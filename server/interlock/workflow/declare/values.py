"""The border: an author's values become JSON of the wire here, and JSON becomes an author's models again.

Laws:
- Every value of an author (declared, returned by a step, kept in a session) crosses here, once, at its source: it
  becomes plain JSON that every client can read, or raises `NotWire`.
- A model that code makes is written as `model_dump(mode="json")` dumps it, everywhere: alone, in a list, in a session,
  in an expression's data. So is everything else that pydantic can write: enums, dates, decimals, sets.
- What clients fill in (`kept`) is under the names that clients know: the aliases.
- A model is always read in the same way: from JSON, by its aliases and by its names. So it accepts what was written of
  it, and strict models accept dates and enums in their JSON form. The value that code gets is read from the log, even
  the first time: it is the same after a restart.
- An iterator is refused without being iterated: its code is the author's, and may never end. Also refused is a value
  that is shared in so many places that JSON, which repeats it in each, would grow beyond all bounds.
- No returned value shares an object with the given one.

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
"""How many bytes of JSON a character may become: a control character's escape."""


def wire(value: Any, what: str = "a value", *, depth: int = MAX_CLIENT_DEPTH) -> JsonValue:
    """Convert a value to plain JSON.

    Args:
        what: the value's name in the sentence about one that is too large.
        depth: how deeply it may be nested.

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
    """Return a text unchanged after a check: the fast path of `wire`, for streamed text.

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
    """A text from any source, made presentable: cut, and without lone surrogates."""
    return given[:most].encode(errors="replace").decode()


def told(error: BaseException) -> str:
    """An exception's full message; its name, if the message is empty or fails."""
    try:
        return str(error) or type(error).__name__
    except BaseException:  # an exception that can't describe itself is still an error
        return type(error).__name__


def said(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """An exception's message, made presentable.

    Args:
        secrets: values to redact before the message is cut: a part of a secret couldn't be found.
    """
    return legible(str(struck(told(error), secrets)))


def _dumped(value: Any) -> Any:
    """Dump a value that isn't plain JSON with pydantic. Serializers are the author's: they may raise anything.

    The error has the full message of the exception: code that reports it redacts secrets first, and then cuts it.
    """
    try:
        return _as_json(value, _ANY.dump_python)
    except NotWire:
        raise
    except Exception as error:
        raise NotWire(f"this isn't JSON: {told(error)}", _path_to_fault(value, MAX_CLIENT_DEPTH)) from error


def _as_json(value: Any, dump: Callable[..., Any]) -> Any:
    """Dump a value as JSON, after checking for what would be lost on the way, or never end.

    Raises:
        NotWire: the check found something.
        Exception: whatever an author's serializer raises.
    """
    _look_for_losses(dump(value, mode="python"))
    return dump(value, mode="json")


def _look_for_losses(value: Any) -> None:
    """Refuse what JSON would lose silently: two keys that are equal as text would become one, a model's NaN null.

    An iterator is the author's code, which may block, or never end, so it isn't iterated.

    Args:
        value: pydantic's dump of it for Python: dicts for models, but with the original keys and numbers.
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
    """The elements of a value that pydantic can write, other than a list or a dict."""
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
    except Exception:  # the dump of the whole reports keys that can't be text
        return False


def _items(value: Any) -> Iterator[tuple[PathPart, Any]]:
    if isinstance(value, dict):
        return ((key if isinstance(key, int) else str(key), each) for key, each in value.items())
    return iter(enumerate(value)) if isinstance(value, list | tuple | set | frozenset | deque) else iter(())


def _path_to_fault(value: Any, depth: int) -> Iterable[PathPart]:
    """The keys and indexes that lead to the part that can't be dumped."""
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
    """Read a model's instance from what was logged for it.

    Args:
        extra: refuse values without a field in the model, whatever the model's own configuration says.

    Raises:
        ValidationError: it doesn't fit.
        Exception: whatever a validator of the model raises.
    """
    return model.model_validate_json(to_json(value), by_alias=True, by_name=True, extra=extra)


def kept(model: type[BaseModel], value: JsonValue, what: str) -> JsonValue:
    """What is logged of a value that a model accepts: with the model's defaults, and such that `read` restores it.

    It is written by the model's aliases, or by its names if the model isn't read by its aliases.

    Raises:
        NotWire: it can't be written, or not in a form that can be read again.
        ValidationError: it doesn't fit.
        Exception: whatever a validator of the model raises.
    """
    given = read(model, value)
    for by_alias in (True, False):
        plain = wire(dumped_as(given, by_alias=by_alias), what)
        if leads_back(model, plain, given, extra="forbid" if by_alias else None):
            return plain
    raise NotWire("it can't be written as JSON and read back: a secret, perhaps, or a field that is excluded")


def dumped_as(given: BaseModel, *, by_alias: bool) -> Any:
    """Dump a model so that it can be read again, by its aliases or its names.

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
    """Return True if what is written of a model reads back as an equal one."""
    try:
        return bool(read(model, plain, extra=extra) == given)
    except Exception:  # its validators, or its comparison
        return False


# ── Declarations ────────────────────────────────────────────────────────────────────────────────────────


def declared(value: Any, what: str) -> JsonValue:
    """Convert a declared value to plain JSON.

    Raises:
        DeclarationError: JSON can't carry it.
    """
    try:
        return wire(value, what)
    except NotWire as fault:
        raise DeclarationError(f"{what} can't be written as JSON: {fault}.") from fault


def check_text(given: Any, what: str) -> None:
    """Check that a declared text for people is a str, and not one that is rendered later; None means no text.

    Raises:
        DeclarationError: it isn't a str, or it is longer than `MAX_TEXT_BYTES`.
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
    """Check that a name can be joined with others to ids, and can be sent.

    Raises:
        DeclarationError: it is longer than `MAX_NAME`, or has invisible characters.
    """
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise DeclarationError(f"{what} has a control character or half a surrogate pair in it; leave it out.")
    if len(name) > MAX_NAME:
        raise DeclarationError(f"{what} has {len(name)} characters; at most {MAX_NAME} are allowed.")
