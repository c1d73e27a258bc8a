"""Channels as the operator writes them, and that an address changes who is told, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from interlock.outgoing.channels import KINDS, PLACE, channels_in

MAIL = "mailtos://robot:pass%40word@smtp.example.com?from=robot@example.com&to={address}"
NTFY = "ntfys://ntfy.example.com/{address}"


def channel(said: Any, name: str = "x") -> Any:
    return channels_in(json.dumps({name: said}))[name]


def test_a_channel_is_a_url_or_an_object_with_those_who_are_told() -> None:
    mail = channel(MAIL)
    assert (mail.is_personal, mail.is_mail, mail.account, mail.who) == (True, True, None, {"*"})
    room = channel({"url": "discord://123/abc", "for": ["group:ops", "ada"], "account": "acme"})
    assert (room.is_personal, room.account, room.who) == (False, "acme", {"group:ops", "ada"})
    assert room.is_of("acme")
    assert not room.is_of("default")
    assert channel({"url": "gotify://h/t", "for": ["*"]}).account == "default", "a room hears of one account by default"
    assert channel({"url": "gotify://h/t", "for": ["*"], "account": "*"}).is_of("any")


def test_a_setting_may_name_a_file(tmp_path: Path) -> None:
    (tmp_path / "channels.json").write_text(json.dumps({"mail": MAIL}))
    assert channels_in(str(tmp_path / "channels.json"))["mail"].is_mail
    with pytest.raises(ValueError, match="file that can't be read"):
        channels_in(str(tmp_path / "another.json"))


@pytest.mark.parametrize(
    ("said", "about"),
    [
        ("file:///etc/passwd", "begins with one of"),
        ("exec://x", "begins with one of"),
        ("https://hooks.example.com/secret-hook", "begins with one of"),
        ("mailto:", "begins with one of"),
        ("", "begins with one of"),
        (7, "must be a URL"),
        ({"url": MAIL, "to": "x"}, "must be a URL"),
        ({"for": ["x"]}, "begins with one of"),
        ("discord://123/secret", "needs `for`"),
        ({"url": "discord://123/secret", "for": []}, "needs `for`"),
        ({"url": "discord://123/secret", "for": "ops"}, "needs `for`"),
        ({"url": "discord://123/{address}", "for": ["*"]}, "is a room"),
        ({"url": "discord://123/secret", "for": ["*"], "account": "a b"}, "account"),
        ("ntfys://{address}", "behind the host"),
        ("ntfys://{address}.example.com/x", "behind the host"),
        ("ntfys://ada:{address}@ntfy.example.com/x", "behind the host"),
        ("ntfys://ntfy.example.com/{address}/{address}", "behind the host"),
        ("ntfys://ntfy.example.com:port/{address}", "host or port"),
        ("ntfys://ntfy.example.com/{address}?verify=no", "an option"),
        (MAIL + "&bcc=all@example.com", "an option"),
        (MAIL + "&pgp=sign", "an option"),
        (MAIL + "&%2Bx-header=y", "an option"),
        ("ntfys://ntfy.example.com/a b/{address}", "a space"),
        ("ntfys://ntfy.example.com/a\nb/{address}", "a space"),
    ],
)
def test_what_cannot_be_used_is_said_without_the_url(said: Any, about: str) -> None:
    with pytest.raises(ValueError, match=about) as error:
        channel(said)
    assert "secret" not in str(error.value)
    assert "example.com" not in str(error.value)


@pytest.mark.parametrize("text", ["{", "{}", '{"Mail": "x"}', '{"a b": "x"}', "{" + '"a":' * 5000])
def test_what_is_no_object_of_channels_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="channel"):
        channels_in(text)


def test_no_more_than_so_many_channels() -> None:
    with pytest.raises(ValueError, match="more than"):
        channels_in(json.dumps({f"c{number}": MAIL for number in range(51)}))


ADDRESSES = {
    "email": ["ada@example.com", "a.b+c/d=e&f?#{g}@sub.example.co", "x'y@ex-ample.com"],
    "ntfy": ["ada", "Ada_7-f3k"],
    "slack": ["U012AB3CD", "W0123456"],
    "telegram": ["123456789"],
}
BAD = {
    "email": ["", "ada", "ada@host", "ada@127.0.0.1", "ada@[10.0.0.1]", "ada@example.com\r\nBcc: x@example.com"],
    "ntfy": ["", "a/b", "a?b=c", "../x", "http://10.0.0.1/x", "a b", "a" * 65, "a\n", "ä"],
    "slack": ["#general", "@ada", "U0", "u012ab3cd", "U012AB3CD,#general", "+C012345"],
    "telegram": ["-1001234567890", "@channel", "1", "1/2", "٣٣٣٣"],
}
BAD["email"] += ["a@example.com,b@example.com", "a b@example.com", "a%b@example.com", "a!b@example.com", '"a"@b.co']
BAD["email"] += [f"{'a' * 65}@example.com", f"a@{'b' * 250}.com", "a@example.com\n", "ä@example.com", "a@exämple.com"]
BAD["email"] += ["A <a@example.com>", "a@example.com?to=b@example.com", "a@b..co", ".a@b.co", "a@-b.co", "a@b.1"]
URLS = {
    "mailto": "mailto://smtp.example.com:25/{address}?from=robot@example.com",
    "mailtos": MAIL,
    "ntfy": "ntfy://ntfy.example.com/{address}",
    "ntfys": NTFY,
    "slack": "slack://xoxb-1234-1234-abc124/{address}",
    "tgram": "tgram://123456789:abcdefg_hijklmnop/{address}",
}


@pytest.mark.parametrize("scheme", [scheme for scheme, kind in KINDS.items() if kind.address])
def test_an_address_only_fills_its_place(scheme: str) -> None:
    to = channel(URLS[scheme])
    before, _, after = URLS[scheme].partition(PLACE)
    for address in ADDRESSES[to.kind.name]:
        url = to.to(address)
        assert url.startswith(before)
        assert url.endswith(after)
        filled = url[len(before) : len(url) - len(after)]
        assert not set(filled) & set("/?#&:@ \\"), "no sign that means something in a URL"
        assert urlsplit(url).netloc == urlsplit(URLS[scheme]).netloc
    for address in BAD[to.kind.name]:
        with pytest.raises(ValueError, match="must be"):
            to.to(address)
    assert to.kind.address is not None
    assert to.kind.address.fullmatch(to.kind.example)


def test_what_is_secret_in_a_url_is_known_and_what_is_not_stays_readable() -> None:
    assert set(channel(MAIL).secrets()) == {"pass%40word", "pass@word"}
    assert set(channel(URLS["slack"]).secrets()) == {"xoxb-1234-1234-abc124"}
    assert set(channel("ntfys://tk_abc123def@ntfy.example.com/{address}").secrets()) == {"tk_abc123def"}
    assert not {*channel({"url": "json://ops.example.com/notifications", "for": ["*"]}).secrets()}
    assert "pass%40word" not in repr(channel(MAIL))
