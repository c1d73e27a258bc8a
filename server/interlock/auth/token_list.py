"""The parser of `INTERLOCK_TOKENS`: one plain token, or a JSON list of several.

Laws:
- No error quotes the setting: any part of it may be a misplaced token.
- Text that looks like JSON is parsed as JSON; a list with a typing error never becomes a token.
- The messages complete "INTERLOCK_TOKENS …".
"""

from __future__ import annotations

import json
from typing import Any, Final

from interlock.auth.principal import ALL_SCOPES, USER_SCOPES, Kind, Principal
from interlock_protocol.namespaces import DEFAULT_ACCOUNT, UnusableName, check_account

MAX_TOKEN_BYTES: Final = 16 * 1024
DEFAULT_USER: Final = "admin"
_KEYS: Final = ("token", "user_id", "scopes", "groups", "account", "namespaces", "kind")


def token_bytes(token: str) -> bytes:
    """The token as bytes, for any string that a client may send: lone surrogates included."""
    return token.encode("utf-8", "surrogatepass")


def is_plain(text: str) -> bool:
    """Return True if the setting is one token rather than a list."""
    return not text.lstrip().startswith(("[", "{"))


def parse_tokens(text: str) -> dict[str, Principal]:
    """Map each token to its principal.

    Raises:
        ValueError: the text is neither a token nor a list of tokens.
    """
    if is_plain(text):
        return {_checked_token(text.strip(), "its value"): Principal(DEFAULT_USER, ALL_SCOPES)}
    found: dict[str, Principal] = {}
    for number, entry in enumerate(_entries(text), start=1):
        token, principal = _parse_entry(entry, f"entry {number}")
        if token in found:
            raise ValueError(f"holds the same token twice: give entry {number} another one.")
        found[token] = principal
    return found


def parse_scopes(value: Any) -> frozenset[str]:
    """Parse scopes, either as OAuth writes them (one string with spaces) or as a list of strings."""
    if isinstance(value, str):
        return frozenset(value.split())
    return parse_strings(value)


def parse_strings(value: Any) -> frozenset[str]:
    """Parse a list of strings to a set.

    Raises:
        TypeError: it is not a list of strings, or one of them has a character that can't be printed.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) and item.isprintable() for item in value):
        raise TypeError("not a list of strings")
    return frozenset(value)


def parse_account(value: Any) -> str:
    """Parse the name of an account; raise `UnusableName` if it is invalid, or not a string."""
    return check_account(value if isinstance(value, str) else "")


def parse_kind(value: Any) -> Kind:
    """Parse the kind of a principal; raise `UnusableName` if there is no such kind."""
    if value not in list(Kind):
        raise UnusableName(f"A kind is {' or '.join(Kind)}.")
    return Kind(value)


def _entries(text: str) -> list[Any]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list) or not entries:
        raise ValueError('must be one token, or a JSON list such as [{"token": "…", "user_id": "…"}].')
    return entries


def _parse_entry(entry: Any, place: str) -> tuple[str, Principal]:
    if not isinstance(entry, dict) or not entry.keys() <= set(_KEYS):
        raise ValueError(f"must have objects of only {', '.join(_KEYS[:-1])} and {_KEYS[-1]}: correct {place}.")
    for key in ("token", "user_id"):
        if not isinstance(entry.get(key), str):
            raise ValueError(f"must give each entry a {key}, a string: add it to {place}.")
    return _checked_token(entry["token"], place), _principal(entry, place)


def _principal(entry: dict[str, Any], place: str) -> Principal:
    try:
        scopes = parse_scopes(entry["scopes"]) if "scopes" in entry else USER_SCOPES
        groups, namespaces = (parse_strings(entry.get(name, [])) for name in ("groups", "namespaces"))
    except TypeError:
        raise ValueError(f"must have scopes, groups and namespaces as lists of strings: correct {place}.") from None
    if not scopes <= ALL_SCOPES:
        raise ValueError(f"has a scope in {place} that doesn't exist: use {', '.join(sorted(ALL_SCOPES))}.")
    try:
        account, kind = parse_account(entry.get("account", DEFAULT_ACCOUNT)), parse_kind(entry.get("kind", Kind.USER))
        return Principal(entry["user_id"], scopes, groups, None, account, namespaces, kind)
    except UnusableName as error:
        raise ValueError(f"has a name in {place} that can't be one. {error}") from None
    except ValueError as error:
        raise ValueError(f"has a user_id in {place} that can't be one. {error}") from None


def _checked_token(token: str, place: str) -> str:
    if not token or not token.isprintable() or any(map(str.isspace, token)):
        raise ValueError(f"must have tokens of printable characters without spaces: correct {place}.")
    if len(token_bytes(token)) > MAX_TOKEN_BYTES:
        raise ValueError(f"must have tokens of at most {MAX_TOKEN_BYTES} bytes: shorten {place}.")
    return token
