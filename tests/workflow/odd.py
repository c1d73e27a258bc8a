"""Values of an author's that are no plain JSON, or only almost: for tests of the border."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import pathlib
import uuid
from collections import namedtuple
from typing import Any

from hypothesis import strategies as st
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, RootModel, SecretStr, field_validator


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


class Text(str):
    pass


class Line(BaseModel):
    unit_price: float = Field(default=1.5, serialization_alias="unitPrice")
    note: Any = None


class Renamed(BaseModel):
    """Every way to give a field another name."""

    a: int = Field(default=1, alias="A")
    b: int = Field(default=1, validation_alias="B")
    c: int = Field(default=1, serialization_alias="C")
    d: int = Field(default=1, validation_alias=AliasChoices("D", "DD"))
    e: int = Field(default=1, validation_alias=AliasPath("E", 0))
    f: int = Field(default=1, validation_alias="F", serialization_alias="FF")


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    day: dt.date = dt.date(2026, 1, 2)
    at: dt.datetime = dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)
    price: decimal.Decimal = decimal.Decimal("1.10")
    colour: Colour = Colour.RED
    level: Level = Level.LOW
    id: uuid.UUID = uuid.UUID(int=1)
    tags: frozenset[str] = frozenset({"x"})
    pair: tuple[int, str] = (1, "a")
    data: bytes = b"ok"


class Whole(BaseModel):
    line: Line = Line()
    lines: list[Line] = [Line()]
    renamed: Renamed = Renamed()
    strict: Strict = Strict()
    made: uuid.UUID = Field(default_factory=uuid.uuid4)


class Numbers(RootModel[list[float]]):
    pass


class Hidden(BaseModel):
    password: SecretStr = SecretStr("hunter2")
    kept: int = Field(default=1, exclude=True)


class Cross(BaseModel):
    x: int = 1

    @field_validator("x")
    @classmethod
    def look(cls, x: int) -> int:
        raise KeyError("\ud800")


@dataclasses.dataclass
class Data:
    at: dt.date
    x: float = 1.0


Pair = namedtuple("Pair", "one two")


class Lazy:
    """A text that is made when it is asked for."""

    def __str__(self) -> str:
        return "lazy"


class Mute:
    """Can't even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("mute")

    def __repr__(self) -> str:
        return "Mute()"


class Unwritable(BaseModel):
    what: Any = Mute()
    model_config = ConfigDict(arbitrary_types_allowed=True)


def nested(depth: int) -> Any:
    value: Any = "deep"
    for level in range(depth):
        value = [value] if level % 2 else {"in": value}
    return value


def circle() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


PLAIN: list[Any] = [None, True, 0, 2**63, -1.5, "", "text", "漢", "\x00", [], {}, {"a": [1, None]}, nested(60)]

WRITABLE: list[Any] = [
    *(Colour.RED, Level.LOW, Word.YES, Text("text"), (1, 2), {"x"}, frozenset({1}), Pair(1, "b")),
    *(uuid.UUID(int=7), dt.date(2026, 1, 2), dt.timedelta(1), decimal.Decimal("1.10"), pathlib.Path("/x")),
    *(b"ok", {1: "one", None: "none"}, Data(dt.date(2026, 1, 2)), Line(), Renamed(), Strict(), Whole()),
    *(Numbers([1.5]), Hidden(), [Line()], {"line": Line()}),
]

UNWRITABLE: list[Any] = [
    *(math.nan, math.inf, -math.inf, 10**25, -(2**63) - 1, "\ud800", b"\xff", object(), Lazy(), Mute(), int),
    *({1: "one", "1": "uno"}, {"\ud800": 1}, circle(), nested(65), nested(300), nested(3000)),
    *(Line(unit_price=math.nan), Line(note=math.inf), Line(note=[math.nan]), Line(note=object()), Unwritable()),
    *(Data(dt.date(2026, 1, 2), math.nan), Numbers([math.inf]), Renamed(A=10**25), KeyError("x"), print),
]

ALL = [*PLAIN, *WRITABLE, *UNWRITABLE]


def _one(index: int) -> Any:
    return ALL[index]


def values() -> st.SearchStrategy[Any]:
    """Values of all three kinds, alone and in lists and objects."""
    return st.recursive(
        st.integers(0, len(ALL) - 1).map(_one),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
        max_leaves=4,
    )
