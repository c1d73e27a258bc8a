"""Channels: where notices to people may be sent, as the operator writes them, and what people may add to them.

Laws:
- Everything here is pure, but that the setting may name a file.
- Only the operator writes URLs, of the schemes in `KINDS`. A person gives an address at most: it stands where the
  operator wrote `{address}`, behind the URL's host, percent-encoded, and is of the shape that the kind has.
- So an address changes who gets a message, never which host is asked, nor what else is said to it.
- No error and no repr shows a URL: it may have a password.

Source: `docs/notices.md`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from interlock_protocol.namespaces import ACCOUNT, DEFAULT_ACCOUNT

PLACE: Final = "{address}"
EVERYBODY: Final = "*"
MOST: Final = 50
"""How many channels there may be."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_TOKEN: Final = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])[A-Za-z0-9_+=-]{8,}")
_ATOM: Final = r"[A-Za-z0-9#$&'*+/=?^_`{|}~-]+"
_EMAIL: Final = re.compile(
    rf"(?=.{{6,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What is sent to, and how.

    Attributes:
        name: as it is shown.
        address: the shape of a person's address; None if a channel of this kind has no people's addresses.
        example: of an address.
        about: what an address is.
        options: what the URL's query may have; None means what the library takes.
        is_markdown: True if its texts are Markdown, in which a link has to be written as one.
        tells_by: the person's address as it stands in the URL.
    """

    name: str
    address: re.Pattern[str] | None = None
    example: str = ""
    about: str = ""
    options: frozenset[str] | None = None
    is_markdown: bool = False
    tells_by: str = "{}"


_MAIL: Final = Kind(
    "email",
    _EMAIL,
    "ada@example.com",
    "an e-mail address",
    options=frozenset({"from", "name", "smtp", "mode", "reply", "to", "user", "pass"}),
)
_NTFY: Final = Kind("ntfy", re.compile(r"[A-Za-z0-9_-]{1,64}"), "ada-7f3k", "a topic of letters, digits, `_` and `-`")
_SLACK: Final = Kind("slack", re.compile(r"[UW][A-Z0-9]{6,20}"), "U012AB3CD", "a member's id", tells_by="+{}")
_TELEGRAM: Final = Kind("telegram", re.compile(r"[1-9][0-9]{2,19}"), "123456789", "the number of a chat with a person")
_GOTIFY: Final = Kind("gotify")
_JSON: Final = Kind("json")
_MATTERMOST: Final = Kind("mattermost")
_ROCKET: Final = Kind("rocketchat", is_markdown=True)

KINDS: Final[Mapping[str, Kind]] = {
    "mailto": _MAIL,
    "mailtos": _MAIL,
    "slack": _SLACK,
    "workflows": Kind("teams", is_markdown=True),
    "ntfy": _NTFY,
    "ntfys": _NTFY,
    "tgram": _TELEGRAM,
    "discord": Kind("discord"),
    "gchat": Kind("googlechat"),
    "gotify": _GOTIFY,
    "gotifys": _GOTIFY,
    "json": _JSON,
    "jsons": _JSON,
    "mmost": _MATTERMOST,
    "mmosts": _MATTERMOST,
    "rocket": _ROCKET,
    "rockets": _ROCKET,
    "zulip": Kind("zulip"),
}
"""The kinds of channels, by the scheme of their URLs."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Where notices may be sent.

    Attributes:
        url: with `{address}` where a person's address belongs, if it is for persons.
        who: whose pauses are told here: ids of users, `group:NAME`, or `*` for everybody's.
        account: the account whose pauses are told here; None means every account's.
    """

    name: str
    url: str = field(repr=False)
    kind: Kind
    who: frozenset[str]
    account: str | None

    @property
    def is_personal(self) -> bool:
        """True if each person gives an address for it; False if all of it is the operator's, such as a room."""
        return PLACE in self.url

    @property
    def is_mail(self) -> bool:
        """True if it is e-mail."""
        return self.kind is _MAIL

    def is_of(self, account: str) -> bool:
        """Return True if pauses of this account are told here."""
        return self.account in (None, account)

    def checked(self, address: str) -> str:
        """Return a person's address.

        Raises:
            ValueError: it isn't one for this channel; the sentence says what one is.
        """
        assert self.kind.address is not None, "a personal channel's kind has addresses"
        if not self.kind.address.fullmatch(address):
            raise ValueError(f"must be {self.kind.about}, such as {self.kind.example}")
        return address

    def secrets(self) -> Iterator[str]:
        """What in the URL is secret, as it is written and as it is meant: passwords, and what looks like a token."""
        parts = urlsplit(self.url)
        password = parts.netloc.rpartition("@")[0].partition(":")[2]
        options = dict(parse_qsl(parts.query))
        rest = [] if self.is_mail else [*re.split("[/:@]", parts.netloc + parts.path), *options.values()]
        yield from {password, unquote(password), options.get("pass", "")} - {""}
        yield from (each for each in map(unquote, rest) if _TOKEN.fullmatch(each))

    def to(self, address: str = "") -> str:
        """Return the URL that reaches a person at their address, or, without one, the room."""
        if not self.is_personal:
            return self.url
        return self.url.replace(PLACE, quote(self.kind.tells_by.format(self.checked(address)), safe=""))


Channels = Mapping[str, Channel]


def channels_in(text: str) -> Channels:
    """Return the channels that a setting has: a JSON object of their names, or the path of a file with one.

    Raises:
        ValueError: it can't be used; the sentence says what to write, and quotes nothing but names.
    """
    if not text.lstrip().startswith("{"):
        try:
            text = Path(text.strip()).expanduser().read_text(encoding="utf-8")
        except (OSError, ValueError):
            raise ValueError("names a file that can't be read") from None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not found:
        raise ValueError("must be a JSON object of channels, or the path of a file with one")
    if len(found) > MOST:
        raise ValueError(f"has more than {MOST} channels")
    return {name: _channel(name, said) for name, said in found.items()}


def _channel(name: str, said: Any) -> Channel:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"must name its channels by small letters, digits, `_` and `-`; {name[:40]!r} isn't such a name"
        )
    try:
        fields = {"url": said} if isinstance(said, str) else said
        if not isinstance(fields, dict) or not fields.keys() <= {"url", "for", "account"}:
            raise ValueError("must be a URL, or an object with `url`, `for` and `account`")
        return _of(name, fields.get("url"), fields.get("for"), fields.get("account"))
    except ValueError as error:
        raise ValueError(f"has a channel {name!r} that {error}") from None


def _of(name: str, url: Any, who: Any, account: Any) -> Channel:
    kind, is_personal = _kind_of(url)
    if who is None and is_personal:
        who = [EVERYBODY]
    if not isinstance(who, list) or not who or not all(isinstance(each, str) and each for each in who):
        raise ValueError('needs `for`, a list of users and groups such as ["ada", "group:ops"], or ["*"]')
    if account is None:
        account = EVERYBODY if is_personal else DEFAULT_ACCOUNT
    if not isinstance(account, str) or not (account == EVERYBODY or re.fullmatch(ACCOUNT, account)):
        raise ValueError("needs an account's name as its `account`, or * for every account")
    return Channel(name, url, kind, frozenset(who), None if account == EVERYBODY else account)


def _kind_of(url: Any) -> tuple[Kind, bool]:
    """Return the kind of a URL, and whether it has a place for a person's address.

    Raises:
        ValueError: it isn't the URL of a channel.
    """
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        _ = parts.port if parts.scheme not in ("slack", "tgram") else None
    except ValueError:
        raise ValueError("has a URL whose host or port can't be read; write what is special with %") from None
    kind = KINDS.get(parts.scheme)
    if kind is None or not parts.netloc:
        raise ValueError(f"needs a URL that begins with one of {', '.join(f'{each}://' for each in KINDS)}")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise ValueError("has a space in its URL; write it as %20")
    options = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if "verify" in options or (kind.options is not None and not options <= kind.options):
        allowed = "" if kind.options is None else f"; there are {', '.join(sorted(kind.options))}"
        raise ValueError(f"has an option in its URL that there isn't here{allowed}")
    count = url.count(PLACE)
    if count and kind.address is None:
        raise ValueError(f"is a room, of which persons have no addresses: write it without {PLACE}")
    if count > 1 or PLACE in parts.netloc:
        raise ValueError(f"may have {PLACE} once in its URL, behind the host")
    return kind, count == 1
