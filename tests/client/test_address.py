"""What people write for an address, and what it means."""

from __future__ import annotations

import pytest

from interlock_client import ProtocolMisuse
from interlock_client.address import http_url, socket_url, token_in


@pytest.mark.parametrize(
    ("written", "socket", "http"),
    [
        ("127.0.0.1", "ws://127.0.0.1:7777/workflows/ws", "http://127.0.0.1:7777"),
        ("flows.example:80", "ws://flows.example:80/workflows/ws", "http://flows.example:80"),
        ("http://127.0.0.1:7777", "ws://127.0.0.1:7777/workflows/ws", "http://127.0.0.1:7777"),
        ("http://127.0.0.1:7777/?token=x", "ws://127.0.0.1:7777/workflows/ws", "http://127.0.0.1:7777"),
        ("ws://a/workflows/ws", "ws://a/workflows/ws", "http://a"),
        ("wss://a/prefix/workflows/ws/", "wss://a/prefix/workflows/ws", "https://a/prefix"),
        ("https://a.example/prefix/", "wss://a.example/prefix/workflows/ws", "https://a.example/prefix"),
        ("[::1]", "ws://[::1]:7777/workflows/ws", "http://[::1]:7777"),
        (" HTTP://Host ", "ws://host/workflows/ws", "http://host"),
    ],
)
def test_address_has_one_meaning(written: str, socket: str, http: str) -> None:
    assert (socket_url(written), http_url(written)) == (socket, http)


@pytest.mark.parametrize("written", ["", "ftp://a", "http://", "a:port", "http://user:secret@a", "a b", "http://[::1"])
def test_what_isn_t_an_address_is_refused_without_its_secrets(written: str) -> None:
    with pytest.raises(ProtocolMisuse, match="isn't the address of a server") as caught:
        socket_url(written)
    assert "secret" not in str(caught.value)


def test_link_carries_its_token() -> None:
    assert token_in("http://127.0.0.1:7777/?token=a%2Bb") == "a+b"
    assert token_in("http://127.0.0.1:7777/#token=ab") == "ab"
    assert token_in("127.0.0.1:7777") is None
