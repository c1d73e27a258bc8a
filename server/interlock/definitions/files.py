"""Definitions in files: one definition in JSON or YAML each.

Laws:
- YAML is read as JSON has it: keys are texts, there are no dates, and `yes`, `no` and `on` are texts like other words.
- A key that is there twice is an error, as one of its values would be lost.
- An error says what to do, and, where the text can't be read, at which line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator
from math import isfinite
from pathlib import Path
from typing import Any, Final

import yaml

from interlock_protocol.types import JsonObject, JsonValue

SUFFIXES: Final = (".json", ".yaml", ".yml")
"""The endings of the names of definitions' files."""

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
"""The most that a file may have; a definition may have less, but a file has comments and spaces."""

_MAX_VALUES: Final = 200_000
_MAX_DEPTH: Final = 200


class UnreadableFile(Exception):  # noqa: N818 - shown to a person, who wouldn't call it an error
    """A file can't be read as a definition. The message is a sentence that begins with what is wrong."""


def definition_in(path: Path) -> JsonObject:
    """Return the definition in a file.

    Raises:
        UnreadableFile: there is none.
    """
    text = _text_of(path)
    try:
        value = json_in(text) if path.suffix == ".json" else yaml_in(text)
    except RecursionError:
        raise UnreadableFile("It is nested too deeply; make it flatter.") from None
    if not isinstance(value, dict):
        raise UnreadableFile("It must have an object at its top, with `name`, `initial_state` and `states`.")
    return value


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UnreadableFile(f"It can't be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"It isn't in UTF-8, from byte {error.start} on; store it in UTF-8.") from None
    if len(data) > MAX_FILE_BYTES:
        raise UnreadableFile(f"It has more than {MAX_FILE_BYTES} bytes; a definition has at most a quarter of that.")
    return text


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────


def json_in(text: str) -> JsonValue:
    """Return the value of a text in JSON.

    Raises:
        UnreadableFile: it isn't JSON, or an object has a key twice.
    """
    try:
        value: JsonValue = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_float)
    except json.JSONDecodeError as error:
        raise UnreadableFile(f"It isn't JSON: {error.msg}, in line {error.lineno}, column {error.colno}.") from None
    except ValueError:  # a whole number of thousands of digits
        raise UnreadableFile("A number has too many digits; write a shorter one.") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise UnreadableFile(f"An object has the key {twice!r} twice; keep one of them.")
    return made


def _no_constant(word: str) -> Any:
    raise UnreadableFile(f"It has {word}, which isn't JSON; write a number.")


def _float(text: str) -> float:
    if not isfinite(number := float(text)):
        raise UnreadableFile(f"The number {text[:20]} is too large; write a smaller one.")
    return number


# ── YAML ────────────────────────────────────────────────────────────────────────────────────────────────


def yaml_in(text: str) -> JsonValue:
    """Return the value of a text in YAML.

    Raises:
        UnreadableFile: it isn't YAML, a mapping has a key twice, or it has something that JSON hasn't.
    """
    try:
        value = yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = "" if mark is None else f", in line {mark.line + 1}, column {mark.column + 1}"
        raise UnreadableFile(f"It isn't YAML that can be used: {error.problem or error.context}{where}.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UnreadableFile(f"It isn't YAML that can be used: {' '.join(str(error).split())}.") from None
    return _Plain().of(value)


class _Loader(yaml.SafeLoader):
    """Reads YAML as JSON has it."""

    yaml_implicit_resolvers: Any = {}  # noqa: RUF012 - as it is declared there

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} is there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


_MERGE: Final = "tag:yaml.org,2002:merge"
_NUMBER: Final = list("-0123456789")
for _tag, _pattern, _first in (
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", r"-?(?:0|[1-9][0-9]*)", _NUMBER),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", _NUMBER),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^{_pattern}$"), _first)


class _Plain:
    """Copies a value of YAML as JSON, within bounds: a YAML that repeats parts of itself may stand for very much."""

    def __init__(self) -> None:
        self._left = _MAX_VALUES

    def of(self, value: Any, depth: int = 0) -> JsonValue:
        self._left -= 1
        if self._left < 0:
            raise UnreadableFile("It stands for too many values; repeat fewer of its parts.")
        if depth > _MAX_DEPTH:
            raise UnreadableFile("It is nested too deeply, or in itself; make it flatter.")
        if isinstance(value, dict):
            return {_key(key): self.of(each, depth + 1) for key, each in value.items()}
        if isinstance(value, list):
            return [self.of(each, depth + 1) for each in value]
        if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and isfinite(value)):
            return value
        raise UnreadableFile(f"It has {repr(value)[:60]}, which isn't JSON; put it in quotes.")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise UnreadableFile(f"The key {key!r} isn't a text; put it in quotes.")
    return key


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the definitions' files in a folder and its subfolders, in order; hidden ones are left out.

    Raises:
        OSError: the folder can't be read.
    """
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from files_in(path)
        elif path.suffix in SUFFIXES:
            yield path
