"""Templates in texts: what is filled in where, what is kept for later, and what is wrong with one."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote as percent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.json_values import OBJECTS, PATHS, TEXTS, VALUES, looked_up, nested, spelled

from interlock.workflow.declare.templates import MAX_TEMPLATES, expand, faults_in, paths_in

ROOTS: dict[str, Any] = {
    "workflow_data": {
        "amount": 5000,
        "rate": 0.5,
        "name": "Zoë",
        "ok": True,
        "nothing": None,
        "order": {"lines": [{"sku": "a/b c"}, {"sku": "é"}]},
        "evil": "${secrets.KEY}",
        "brace": "{secrets.KEY}",
        "dollar": "$",
    },
    "input": {"id": "req_456"},
    "context": {"namespace": "user_123"},
}
SECRETS = frozenset({"secrets"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # One template keeps its type.
        ("${workflow_data.amount}", 5000),
        ("${ workflow_data.rate }", 0.5),
        ("${workflow_data.ok}", True),
        ("${workflow_data.nothing}", None),
        ("${workflow_data.gone}", None),
        ("${gone.at.all}", None),
        ("${workflow_data.order.lines[1]}", {"sku": "é"}),
        ("${input}", {"id": "req_456"}),
        # Inside a text.
        ("Purchase request - $${workflow_data.amount}", "Purchase request - $5000"),
        ("${workflow_data.name}: ${input.id}", "Zoë: req_456"),
        ("${workflow_data.ok}, ${workflow_data.nothing}, ${workflow_data.gone}.", "true, , ."),
        ("got ${workflow_data.order}", 'got {"lines":[{"sku":"a/b c"},{"sku":"é"}]}'),
        (" ${workflow_data.amount}", " 5000"),
        # What isn't a template stays.
        ("no template", "no template"),
        ("$5, {a}, $ {b}", "$5, {a}, $ {b}"),
        ("${1 + 1}", "${1 + 1}"),
        ("${workflow_data.amount", "${workflow_data.amount"),
        ("a ${ b", "a ${ b"),
        ("${workflow_data['amount']}!", "${workflow_data['amount']}!"),
        # What is filled in isn't looked through.
        ("${workflow_data.evil}", "${secrets.KEY}"),
        ("<${workflow_data.evil}>", "<${secrets.KEY}>"),
        # The sign itself.
        ("${$}{input.id}", "${input.id}"),
        ("${$}", "$"),
        ("a${}b", "ab"),
    ],
)
def test_a_text_is_filled_in(text: str, expected: Any) -> None:
    assert expand(text, ROOTS) == expected
    assert expand({"a": [text, 1]}, ROOTS) == {"a": [expected, 1]}


def test_keys_stay_and_the_given_value_does_too() -> None:
    value: Any = {"${input.id}": {"b": ["${input.id}"]}}
    assert expand(value, ROOTS) == {"${input.id}": {"b": ["req_456"]}}
    assert value == {"${input.id}": {"b": ["${input.id}"]}}


def test_what_is_inserted_is_quoted_and_what_an_author_writes_is_not() -> None:
    quote = lambda text: percent(text, safe="")  # noqa: E731
    url = "https://x.org/${workflow_data.order.lines[0].sku}?n=${workflow_data.name}&a=${workflow_data.amount}"
    assert expand(url, ROOTS, quote=quote) == "https://x.org/a%2Fb%20c?n=Zo%C3%AB&a=5000"
    assert expand("${workflow_data.order.lines[0].sku}", ROOTS, quote=quote) == "a/b c"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bearer ${secrets.KEY}", "Bearer ${secrets.KEY}"),
        ("${secrets.KEY}", "${secrets.KEY}"),
        ("${ secrets.KEY }/${input.id}", "${ secrets.KEY }/req_456"),
        ("$${secrets.KEY}", "$${secrets.KEY}"),
        # No data can make a template of a secret.
        ("${workflow_data.evil}", "${$}{secrets.KEY}"),
        ("a ${workflow_data.evil}", "a ${$}{secrets.KEY}"),
        ("$${workflow_data.brace}", "${$}{secrets.KEY}"),
        ("${workflow_data.dollar}{secrets.KEY}", "${$}{secrets.KEY}"),
        ("${workflow_data.dollar}${workflow_data.brace}", "${$}{secrets.KEY}"),
        ("costs 5$, ${input.id}$", "costs 5$, req_456$"),
    ],
)
def test_secrets_are_kept_for_later_and_nothing_becomes_one(text: str, expected: str) -> None:
    assert expand(text, ROOTS, keep=SECRETS) == expected


def test_what_is_inserted_whole_has_no_template_at_any_depth() -> None:
    data: dict[str, Any] = {"workflow_data": {"a": [{"b": "${secrets.KEY}"}]}}
    once = expand("${workflow_data}", data, keep=SECRETS)
    assert once == {"a": [{"b": "${$}{secrets.KEY}"}]}
    assert expand(once, {"secrets": {"KEY": "s3cret"}}) == {"a": [{"b": "${secrets.KEY}"}]}


# --- properties ---

PIECES = (
    PATHS.map(lambda parts: f"${{{spelled(parts)}}}")
    | st.tuples(st.sampled_from(["workflow_data", "input", "secrets"]), PATHS).map(
        lambda each: f"${{{each[0]}.{spelled(each[1])}}}"
    )
    | st.sampled_from(["$", "{", "}", "${", "${$}", "${}", "a", " ", "${secrets.X}", "${1+1}"])
)
TEMPLATED = st.lists(PIECES, max_size=5).map("".join)
TREES: st.SearchStrategy[Any] = st.recursive(
    TEMPLATED | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
ALL = st.fixed_dictionaries({"workflow_data": OBJECTS, "input": OBJECTS})
VAULTS = st.dictionaries(st.sampled_from(["X", "a", "b"]), TEXTS, max_size=3)


@given(TREES, ALL, VAULTS)
def test_filling_in_twice_gives_what_filling_in_once_does(value: Any, roots: Any, secrets: Any) -> None:
    once = expand(value, {**roots, "secrets": secrets})
    assert expand(expand(value, roots, keep=SECRETS), {"secrets": secrets}) == once


@given(TREES, ALL, VAULTS)
def test_the_same_holds_in_urls(value: Any, roots: Any, secrets: Any) -> None:
    once = expand(value, {**roots, "secrets": secrets}, quote=percent)
    kept = expand(value, roots, keep=SECRETS, quote=percent)
    assert expand(kept, {"secrets": secrets}, quote=percent) == once


@given(TREES, ALL)
def test_without_secrets_among_the_templates_no_secret_is_used(value: Any, roots: Any) -> None:
    if "secrets" not in json.dumps(value):
        assert paths_in(expand(value, roots, keep=SECRETS)) & {"secrets.KEY", "secrets.X"} == frozenset()


def model(text: str, roots: dict[str, Any]) -> Any:
    """The rules for a text, said another way."""
    parts = re.split(r"(\$\{[^{}]*\})", text)
    values = [_value(part[2:-1].strip(), roots, part) if index % 2 else part for index, part in enumerate(parts)]
    if len(parts) == 3 and not parts[0] and not parts[2]:
        return values[1]
    return "".join(
        ""
        if value is None
        else value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        for value in values
    )


def _value(path: str, roots: dict[str, Any], otherwise: str) -> Any:
    if path in ("$", ""):
        return path
    if not re.fullmatch(r"[\w-]+(\[\d+\])*(\.[\w-]+(\[\d+\])*)*", path):
        return otherwise
    parts = [int(part[1:-1]) if part[0] == "[" else part for part in path.replace("[", ".[").split(".")]
    return next(iter(looked_up(roots, parts)), None)


@given(TEMPLATED, ALL)
def test_a_text_is_filled_in_as_the_model_says(text: str, roots: Any) -> None:
    assert expand(text, roots) == model(text, roots)


@given(TREES)
def test_what_checking_passes_leaves_no_template_and_names_only_known_roots(value: Any) -> None:
    faults = [fault for fault in faults_in(value, "v", frozenset({"workflow_data", "input"})) if not fault.is_warning]
    if not faults:
        assert {path.split(".")[0].split("[")[0] for path in paths_in(value)} <= {"workflow_data", "input"}


# --- bounds ---


@pytest.mark.parametrize(
    ("piece", "times"),
    [("${", 300_000), ("${a", 1), ("a", 600_000), ("$", 600_000), ("${a}", 150_000), ("${$}", 150_000)],
)
def test_long_texts_take_no_longer_than_they_are_long(piece: str, times: int) -> None:
    text = piece * times + "a" * 600_000
    assert isinstance(expand(text, ROOTS, keep=SECRETS), str)
    assert list(faults_in(text, "t", frozenset({"a"}))) != [] or "${" not in text


def test_depth_is_no_matter() -> None:
    deep: Any = nested(100_000, "${input.id}")
    filled: Any = expand(deep, ROOTS, keep=SECRETS)
    (fault,) = faults_in(nested(100_000, "${x}"), "d", frozenset({"input"}))
    assert fault.path.startswith("d.not.not.")
    assert expand("in a text: ${workflow_data}", {"workflow_data": deep}) == "in a text: "
    for _ in range(100_000):
        filled = filled["not"]
    assert filled == "req_456"


def test_the_number_of_templates_is_bounded() -> None:
    roots = frozenset({"input"})
    assert list(faults_in(["${input.a} ${input.b}"] * (MAX_TEMPLATES // 2), "v", roots)) == []
    (fault,) = faults_in([["${input.a}"] * MAX_TEMPLATES, "${input.b}"], "v", roots)
    assert fault.path == "v"


# --- faults ---


@pytest.mark.parametrize(
    ("value", "path", "words"),
    [
        ("${amount}", "body", 'There is no "amount" here; use context, input or workflow_data.'),
        ("${workflow.amount}", "body", 'did you mean "workflow_data"?'),
        ("${secrets.KEY}", "body", 'There is no "secrets" here'),
        ({"a": [1, "x ${inptu.a}"]}, "body.a[1]", 'did you mean "input"?'),
        ("${workflow_data.a", "body", "doesn't end"),
        ("${input.a} ${", "body", "doesn't end"),
        ("${workflow_data.a + 1}", "body", "isn't a path, and nothing is computed"),
        ("${}", "body", "isn't a path"),
        ("${workflow_data.a[-1]}", "body", "isn't a path"),
        (f"${{{'a.' * 600}a}}", "body", "isn't a path"),
    ],
)
def test_a_fault_has_its_path_and_says_what_to_do(value: Any, path: str, words: str) -> None:
    (fault,) = faults_in(value, "body", frozenset({"workflow_data", "input", "context"}))
    assert fault.path == path
    assert words in fault.message
    assert len(fault.message) < 400


def test_secrets_are_named_one_by_one() -> None:
    assert list(faults_in("Bearer ${secrets.KEY}", "h", SECRETS)) == []
    (fault,) = faults_in("${secrets}", "h", SECRETS)
    assert "name one" in fault.message


def test_a_template_in_a_key_is_warned_of() -> None:
    (warning,) = faults_in({"a": {"${input.id}": 1}}, "body", frozenset({"input"}))
    assert warning.is_warning
    assert warning.path == "body.a"


def test_paths_are_those_of_all_templates() -> None:
    value: Any = {"a": "${workflow_data.x} and ${ input.y[0] }", "b": ["${context}", "${1+1}", "${$}"]}
    assert paths_in(value) == {"workflow_data.x", "input.y[0]", "context"}
