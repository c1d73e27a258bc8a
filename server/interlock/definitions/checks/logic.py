"""The checks of what a state runs: a script, a request over HTTP or a task, and its retries.

Laws:
- A URL begins with http:// or https://, or with a template; what isn't a template may stand in a URL, or in a header.
- What only the transport may set in a request (its length, its connection, its host) no definition sets.

Source: `docs/machines.md`, "Logic".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from interlock.definitions.checks.fields import (
    Context,
    Field,
    Shape,
    Table,
    Typed,
    number,
    one_of,
    size_of,
    text,
)
from interlock.workflow.declare import templates
from interlock.workflow.declare.checks import Fault, inside, quoted, type_in_words
from interlock.workflow.declare.task_types import calls_among, faults_in_inputs, unknown_type
from interlock_protocol.limits import KIB, MAX_NAME

MAX_SCRIPT_BYTES = 64 * KIB
MAX_HEADERS = 100
MAX_CALL_MS = 600_000
"""The longest time that a definition may allow a request."""
MAX_DELAY_MS = 3_600_000
MAX_ATTEMPTS = 100

DATA_ROOTS = frozenset({"workflow_data", "input", "context"})
"""What templates may name, wherever they stand."""
HTTP_ROOTS = DATA_ROOTS | {"secrets"}

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

_TEMPLATE = re.compile(r"\$\{[^{}]*\}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_OF_URL = re.compile(r"[\x21-\x7e\x80-\U0010ffff]*\Z")
_OF_HEADER = re.compile(r"[\t\x20-\x7e]*\Z")
_OWN_HEADERS = frozenset({"connection", "content-length", "host", "transfer-encoding", "upgrade"})


def templated(roots: frozenset[str]) -> Field:
    """A value whose texts may have templates, anywhere in it."""
    return Field(lambda value, at, context: templates.faults_in(value, at, roots))


# ── Scripts ─────────────────────────────────────────────────────────────────────────────────────────────


def _code(value: object, at: str, context: Context) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(at, f"A script is a text, not {type_in_words(value)}.")
    elif not value.strip():
        yield Fault(at, "The script is empty; return an object from it.")
    elif (size := size_of(value)) > MAX_SCRIPT_BYTES:
        yield Fault(at, f"The script has {size:,} bytes; at most {MAX_SCRIPT_BYTES // KIB} KB are allowed.")
    elif context.parses is not None and (wrong := context.parses(value)) is not None:
        yield Fault(at, f"The script can't be read: {wrong}")


# ── Requests over HTTP ──────────────────────────────────────────────────────────────────────────────────


def _method(value: object, at: str, context: Context) -> Iterator[Fault]:
    given = value.upper() if isinstance(value, str) and value.isascii() else value
    yield from one_of(METHODS, "The method")(given, at, context)


def _url(value: object, at: str, context: Context) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(at, f"A URL is a text, not {type_in_words(value)}.")
        return
    yield from templates.faults_in(value, at, HTTP_ROOTS)
    plain = _TEMPLATE.sub("1", value)
    if not _OF_URL.match(plain):
        yield Fault(at, "A URL has no spaces, line breaks or other control characters; percent-encode them.")
    elif not value.startswith(("${", "/")) and (wrong := _wrong_url(plain)) is not None:
        yield Fault(at, wrong)


def _call(logic: Mapping[str, Any], at: str, context: Context) -> Iterator[Fault]:
    """What is wrong with a request as a whole: with an integration its address may be a path, and its credential is
    that."""
    url, headers = logic.get("url"), logic.get("headers")
    if logic.get("integration") is None:
        if isinstance(url, str) and url.startswith("/"):
            yield Fault(inside(at, "url"), "A path is below an integration's address; name one, or write a whole URL.")
        return
    if isinstance(url, str) and url.startswith("//"):
        yield Fault(inside(at, "url"), "A path begins with one slash; write what stands behind the address.")
    for name in headers if isinstance(headers, dict) else ():
        if name.lower() in ("authorization", "cookie"):
            yield Fault(inside(inside(at, "headers"), name), "The integration tells who asks; leave this header out.")


def _wrong_url(url: str) -> str | None:
    """What is wrong with a URL in which a digit stands for each template."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "This isn't a URL; mend its host or its port."
    if parts.scheme not in ("http", "https"):
        return "A URL begins with https:// or http://, or with a template; write the whole URL."
    return None if parts.hostname else "This URL names no host; write it after the //."


def _headers(value: object, at: str, context: Context) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(at, f"Headers are an object, not {type_in_words(value)}.")
        return
    if len(value) > MAX_HEADERS:
        yield Fault(at, f"These are {len(value)} headers; at most {MAX_HEADERS} are allowed.")
        return
    seen: set[str] = set()
    for name, given in value.items():
        yield from _header(name, given, inside(at, name))
        if name.lower() in seen:
            yield Fault(inside(at, name), f"The header {quoted(name)} is there twice; leave one out.")
        seen.add(name.lower())


def _header(name: str, given: object, at: str) -> Iterator[Fault]:
    if not _TOKEN.match(name):
        yield Fault(at, f"{quoted(name)} can't be the name of a header; write it in letters, digits and hyphens.")
    elif name.lower() in _OWN_HEADERS:
        yield Fault(at, f"The header {quoted(name)} is set when the request is sent; leave it out.")
    if not isinstance(given, str):
        yield Fault(at, f"The value of a header is a text, not {type_in_words(given)}.")
        return
    yield from templates.faults_in(given, at, HTTP_ROOTS)
    if not _OF_HEADER.match(_TEMPLATE.sub("", given)):
        yield Fault(at, "The value of a header is one line of printable ASCII; leave out line breaks and the like.")


def _output(value: object, at: str, context: Context) -> Iterator[Fault]:
    yield from text(most=MAX_NAME)(value, at, context)
    if isinstance(value, str) and "${" in value:
        yield Fault(at, "`output` is a key of the data, not a template; write the key itself.")


# ── Tasks ───────────────────────────────────────────────────────────────────────────────────────────────


def _task(logic: Mapping[str, Any], at: str, context: Context) -> Iterator[Fault]:
    """What is wrong with a task as a whole: its type is one that does something, and takes these inputs."""
    name = logic.get("task")
    if not isinstance(name, str) or not name:
        return
    type_ = context.types.get(name)
    if type_ is None and not context.are_all_types:
        yield Fault(inside(at, "task"), f"{quoted(name)} isn't built in; the server needs to have it.", is_warning=True)
    elif type_ is None or type_.kind != "call":
        yield Fault(inside(at, "task"), unknown_type(name, [each.name for each in calls_among(context.types)]))
    else:
        yield from faults_in_inputs(type_, logic.get("input"), inside(at, "input"), DATA_ROOTS)
        if type_.is_integration_needed and logic.get("integration") is None:
            sentence = f"A task {name} needs an integration of the provider {type_.provider}; name one."
            yield Fault(inside(at, "integration"), sentence)
        elif type_.provider is None and logic.get("integration") is not None:
            yield Fault(inside(at, "integration"), f"A task {name} takes no integration; leave it out.")


def _inputs(value: object, at: str, context: Context) -> Iterator[Fault]:
    if not isinstance(value, dict):
        yield Fault(at, f"The input of a task is an object, not {type_in_words(value)}.")


# ── Logic ───────────────────────────────────────────────────────────────────────────────────────────────

RETRY = Field(
    Shape(
        "A retry",
        {
            "attempts": Field(number(least=1, most=MAX_ATTEMPTS, whole=True), is_required=True),
            "backoff": Field(one_of(("exponential", "linear"), "The backoff")),
            "delay_ms": Field(number(least=0, most=MAX_DELAY_MS, unit=" of milliseconds")),
        },
    )
)

TYPES: dict[str, Table] = {
    "script": {"code": Field(_code, is_required=True), "retry": RETRY},
    "http": {
        "method": Field(_method, is_required=True),
        "url": Field(_url, is_required=True),
        "headers": Field(_headers),
        "body": templated(HTTP_ROOTS),
        "timeout": Field(number(least=0, most=MAX_CALL_MS, above=True, unit=" of milliseconds")),
        "output": Field(_output),
        "integration": Field(text(most=64)),
        "retry": RETRY,
    },
    "task": {
        "task": Field(text(most=MAX_NAME), is_required=True),
        "input": Field(_inputs),
        "integration": Field(text(most=64)),
        "timeout": Field(number(least=0, most=MAX_CALL_MS, above=True, unit=" of milliseconds")),
        "output": Field(_output),
        "retry": RETRY,
    },
}
"""The fields of each type of logic."""

logic = Typed("logic", TYPES, {"task": _task, "http": _call})
"""Yields what is wrong with logic of any type."""
