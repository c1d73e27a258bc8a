"""Forms of pydantic models: whatever is declared can be answered, or is refused where it is declared."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    WrapValidator,
    computed_field,
    create_model,
    field_validator,
    model_validator,
)
from tests.workflow.simulation import Simulation, tells

from interlock import Ask, DeclarationError, Step, UserInputField, Workflow
from interlock.workflow.declare.form_models import instance_of
from interlock.workflow.declare.forms import check_input, fields_of
from interlock_protocol.errors import ErrorCode, Refusal


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Card(BaseModel):
    kind: Literal["card"] = "card"
    number: str = Field(alias="cardNumber")


class Cash(BaseModel):
    kind: Literal["cash"] = "cash"
    amount: int


@dataclasses.dataclass
class Address:
    city: str


class Point(NamedTuple):
    x: int
    y: int


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    inside: T


def same(value: Any) -> Any:
    return value


# --- what can be declared, can be answered ---

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5)
INTS = st.integers(-(2**53), 2**53)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.decimals(-1000, 1000, places=2).map(str)

TYPES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, TEXT),
    (int, INTS),
    (float, st.one_of(FLOATS, st.integers(-1000, 1000))),
    (bool, st.booleans()),
    (bytes, TEXT),
    (dt.date, st.dates().map(str)),
    (dt.datetime, st.datetimes().map(dt.datetime.isoformat)),
    (dt.timedelta, st.integers(0, 1000).map(lambda days: f"P{days}D")),
    (decimal.Decimal, NUMBERS),
    (uuid.UUID, st.uuids().map(str)),
    (Color, st.sampled_from(["red", "blue"])),
    (Level, st.sampled_from([1, 2])),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
    (Literal[True], st.just(True)),
    (Literal[Color.RED], st.just("red")),
    (list[int], st.lists(INTS, max_size=3)),
    (Sequence[str], st.lists(TEXT, max_size=3)),
    (set[Color], st.lists(st.sampled_from(["red", "blue"]), max_size=2)),
    (tuple[int, str], st.tuples(INTS, TEXT).map(list)),
    (frozenset[uuid.UUID], st.lists(st.uuids().map(str), max_size=2)),
    (dict[str, int], st.dictionaries(TEXT, INTS, max_size=2)),
    (dict[int, str], st.dictionaries(INTS.map(str), TEXT, max_size=2)),
    (Mapping[str, dt.date], st.dictionaries(TEXT, st.dates().map(str), max_size=2)),
    (Address, st.builds(lambda city: {"city": city}, TEXT)),
    (Point, st.tuples(INTS, INTS).map(list)),
    (Cash, st.builds(lambda amount: {"amount": amount}, INTS)),
    (Card, st.builds(lambda number: {"cardNumber": number}, TEXT)),
    (Box[int], st.builds(lambda inside: {"inside": inside}, INTS)),
    (Card | Cash, st.builds(lambda amount: {"kind": "cash", "amount": amount}, INTS)),
    (Annotated[Card | Cash, Field(discriminator="kind")], st.just({"kind": "card", "cardNumber": "1"})),
    (Annotated[int, Field(ge=0, lt=10)], st.integers(0, 9)),
    (Annotated[str, Field(min_length=1, pattern="^a+$")], st.integers(1, 5).map(lambda count: "a" * count)),
    (Annotated[str, AfterValidator(same)], TEXT),
    (Annotated[str, BeforeValidator(same)], TEXT),
    (Annotated[str, WrapValidator(lambda value, handler: handler(value))], TEXT),
    (int | str, TEXT),
    (int | list[int], INTS),
    (int | float, FLOATS),
    (str | None, TEXT),
    (Color | None, st.sampled_from(["red", "blue"])),
    (Any, TEXT),
    (SecretStr, TEXT),
    (SecretBytes, TEXT),
    (SecretStr | None, TEXT),
    (Secret[dt.date], st.dates().map(str)),
    (Callable[[], int] | int, INTS),
    (Iterable[int], st.just([1])),
    (InstanceOf[Color], st.just("red")),
    (type[int], st.just("int")),
    (list[SecretStr], st.just(["x"])),
    (RootModel[list[int]], st.just([1])),
    (None, st.none()),
    (Literal["a", 1], st.just("a")),
]

ALIASES: list[Callable[[str], dict[str, Any]]] = [
    lambda _: {},
    lambda name: {"alias": f"{name}Alias"},
    lambda name: {"validation_alias": f"{name}Given", "serialization_alias": f"{name}Shown"},
    lambda name: {"validation_alias": AliasChoices(AliasPath("deep", 0), f"{name}Chosen")},
    lambda name: {"validation_alias": AliasPath("deep", name)},
    lambda name: {"alias_priority": 2, "alias": name.upper()},
]

CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "strict": st.booleans(),
        "extra": st.sampled_from(["forbid", "allow", "ignore"]),
        "populate_by_name": st.booleans(),
        "frozen": st.booleans(),
        "validate_default": st.booleans(),
        "use_enum_values": st.booleans(),
        "alias_generator": st.just(str.upper),
        "defer_build": st.booleans(),
    },
)


@st.composite
def models(draw: st.DrawFn) -> tuple[type[BaseModel], dict[str, Any], dict[str, st.SearchStrategy[Any]]]:
    """A model, and what answers each of its fields."""
    fields: dict[str, Any] = {}
    answers: dict[str, st.SearchStrategy[Any]] = {}
    for number in range(draw(st.integers(1, 4))):
        name = f"field_{number}"
        annotation, values = draw(st.sampled_from(TYPES))
        named = draw(st.sampled_from(ALIASES))(name)
        default: dict[str, Any] = draw(st.sampled_from([{}, {}, {"default": None}, {"default_factory": dict}]))
        fields[name] = (annotation, Field(**default, **named))
        answers[name] = values
    config: Any = draw(CONFIGS)
    return create_model("Drawn", __config__=config, **fields), fields, answers


@settings(max_examples=200, deadline=None)
@given(models(), st.data())
def test_what_can_be_declared_can_be_answered(drawn: Any, data: st.DataObject) -> None:
    model, declared, answers = drawn
    try:
        ask = Ask(model)
    except DeclarationError:
        return
    asked = [field.to_wire() for field in ask.fields]
    answer = {
        field["name"]: data.draw(values)
        for field, (name, values) in zip(asked, answers.items(), strict=True)
        if declared[name][1].is_required() or model.model_config.get("validate_default") or data.draw(st.booleans())
    }
    accepted, wrong = check_input(asked, answer, model)
    assert wrong == []
    instance_of(model, accepted)


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        (Callable[[], int], "no JSON"),
        (list[Callable[[], int]], "no JSON"),
        (type[int], "class"),
        (Iterable[int], "list"),
        (list[SecretStr], "secret"),
        (dict[str, SecretStr], "secret"),
        (Box[SecretStr], "secret"),
        (Literal[Color.RED], "none of its values"),
        (enum.Enum("Empty", {}), "none of its values"),
        (enum.Enum("Pairs", {"A": (1, 2)}), "none of its values"),
        (Literal["a", 1], "several types"),
        (None, "null"),
    ],
    ids=str,
)
def test_what_nobody_could_answer_is_refused_with_its_field(annotation: Any, says: str) -> None:
    with pytest.raises(DeclarationError, match=rf"Odd.*'thing'.*{says}"):
        Ask(create_model("Odd", fine=(int, 1), thing=(annotation, ...)))


def test_model_that_is_one_bare_value_is_no_form() -> None:
    class Numbers(RootModel[list[int]]):
        pass

    with pytest.raises(DeclarationError, match=r"Numbers.*RootModel"):
        Ask(Numbers)


def test_list_of_allowed_values_that_allows_nothing_is_refused() -> None:
    nothing: list[Any] = [[], (), "ab"]
    for allowed in nothing:
        with pytest.raises(DeclarationError, match=r"'x'.*allowed_values"):
            UserInputField("x", allowed_values=allowed)


def test_model_whose_types_are_not_there_yet_is_refused() -> None:
    fields: Any = {"thing": ("NotThere", ...)}
    model = create_model("Early", **fields)
    with pytest.raises(DeclarationError, match="Early"):
        Ask(model)


def test_two_fields_that_read_one_name_are_refused() -> None:
    class Twins(BaseModel):
        one: int = Field(alias="same")
        other: int = Field(alias="same")

    with pytest.raises(DeclarationError, match="'same'"):
        Ask(Twins)


def test_strict_model_reads_an_answer_as_json() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

        when: dt.date
        color: Color
        price: decimal.Decimal
        who: uuid.UUID

        @computed_field  # type: ignore[prop-decorator]
        @property
        def year(self) -> int:
            return self.when.year

    answer = {"when": "2030-01-02", "color": "red", "price": "1.50", "who": str(uuid.UUID(int=1))}
    accepted, wrong = check_input([each.to_wire() for each in fields_of(Strict)], answer, Strict)
    assert wrong == []
    made = instance_of(Strict, accepted)
    assert made == Strict(
        when=dt.date(2030, 1, 2), color=Color.RED, price=decimal.Decimal("1.50"), who=uuid.UUID(int=1)
    )


@pytest.mark.parametrize(
    ("annotation", "default", "shown"),
    [
        (float, float("inf"), None),
        (dt.date, dt.date(2030, 1, 2), "2030-01-02"),
        (Color, Color.RED, "red"),
        (Color | None, None, None),
        (Cash, Cash(amount=3), {"kind": "cash", "amount": 3}),
        (SecretStr, SecretStr("hunter-2"), None),
        (Annotated[int, Field(gt=0)], 0, None),
    ],
    ids=str,
)
def test_default_is_shown_where_it_can_be_and_holds_where_not(annotation: Any, default: Any, shown: Any) -> None:
    model = create_model("Preset", thing=(annotation, default))
    (field,) = fields_of(model)
    assert (field.default, field.required) == (shown, False)
    accepted, wrong = check_input([field.to_wire()], {}, model)
    assert wrong == []
    made: Any = instance_of(model, accepted)
    assert made.thing == default


# --- validators may raise whatever they like ---


class Own(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("it can't say")


def endless(value: Any) -> Any:
    return endless(value)


RAISED: dict[str, Callable[[Any], Any]] = {
    "ValueError": lambda value: int("no number"),
    "AssertionError": lambda value: (_ for _ in ()).throw(AssertionError("no")),
    "KeyError": lambda value: {}[value],
    "ZeroDivisionError": lambda value: 1 // 0,
    "TypeError": lambda value: value + object(),
    "AttributeError": lambda value: value.nothing,
    "RecursionError": endless,
    "StopIteration": lambda value: next(iter(())),
    "OSError": lambda value: open("/no/such/file"),  # noqa: SIM115, PTH123
    "UnicodeError": lambda value: "\ud800".encode(),
    "own": lambda value: (_ for _ in ()).throw(Own()),
    "SystemExit": lambda value: (_ for _ in ()).throw(SystemExit(1)),
    "long": lambda value: (_ for _ in ()).throw(ValueError("x" * 100_000)),
    "empty": lambda value: (_ for _ in ()).throw(ValueError()),
}


def decorated(mode: Any, breaks: Callable[[Any], Any]) -> type[BaseModel]:
    class Decorated(BaseModel):
        fine: str
        odd: str = Field(alias="oddly")

        if mode == "wrap":

            @field_validator("odd", mode="wrap")
            @classmethod
            def wrapped(cls, value: Any, handler: Any) -> Any:
                return breaks(handler(value))

        else:

            @field_validator("fine", "odd", mode=mode)
            @classmethod
            def checked(cls, value: Any) -> Any:
                return breaks(value) if value == "bad" else value

    return Decorated


def annotated(mode: Any, breaks: Callable[[Any], Any]) -> type[BaseModel]:
    validator = {
        "before": BeforeValidator(breaks),
        "after": AfterValidator(breaks),
        "wrap": WrapValidator(lambda value, handler: breaks(value)),
    }[mode]
    return create_model("Annotated", fine=(str, ...), odd=(Annotated[str, validator], Field(alias="oddly")))


def nested(mode: Any, breaks: Callable[[Any], Any]) -> type[BaseModel]:
    inner = annotated(mode, breaks)
    return create_model("Nested", fine=(str, ...), odd=(inner, Field(alias="oddly")))


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("mode", ["before", "after", "wrap"])
@pytest.mark.parametrize("made", [decorated, annotated, nested])
def test_validator_that_raises_anything_refuses_with_its_field(made: Any, mode: str, raised: str) -> None:
    model = made(mode, RAISED[raised])
    run = Simulation(Workflow("w", steps=[Step("s", tells, human_review=Ask(model))])).run()
    bad: Any = {"fine": "x", "oddly": "bad"} if made is nested else "bad"
    with pytest.raises(Refusal) as refused:
        run.answer("s", user_input={"fine": "good", "oddly": bad})
    assert refused.value.code is ErrorCode.INVALID_DECISION
    (detail,) = refused.value.details
    assert detail["field"].partition(".")[0] == "oddly"
    assert len(detail["error"]) < 2000
    detail["error"].encode()


def test_validator_whose_words_are_no_text_refuses_all_the_same() -> None:
    def breaks(value: Any) -> Any:
        raise ValueError("half of \ud800 it")

    model = decorated("after", breaks)
    _, wrong = check_input([each.to_wire() for each in fields_of(model)], {"fine": "x", "oddly": "bad"}, model)
    assert len(wrong) == 1
    str(wrong[0]["error"]).encode()


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("mode", ["before", "after"])
def test_models_own_validator_that_raises_refuses_the_form_as_a_whole(mode: Any, raised: str) -> None:
    class Whole(BaseModel):
        thing: str

        if mode == "before":

            @model_validator(mode="before")
            @classmethod
            def checked(cls, data: Any) -> Any:
                return RAISED[raised](str(data))

        else:

            @model_validator(mode="after")
            def checked_after(self) -> Any:
                return RAISED[raised](self.thing)

    _, wrong = check_input([each.to_wire() for each in fields_of(Whole)], {"thing": "bad"}, Whole)
    assert [each["field"] for each in wrong] == [""]
