"""Where a secret may go: encrypted, unless its fence says otherwise or the host is near."""

from __future__ import annotations

import pytest

from interlock.secrets.fence import Fence, hosts_of


@pytest.mark.parametrize(
    ("pattern", "scheme", "host", "port", "may"),
    [
        ("api.example.com", "https", "api.example.com", 443, True),
        ("api.example.com", "http", "api.example.com", 80, False),
        ("*", "https", "api.example.com", 443, True),
        ("*", "http", "api.example.com", 80, False),
        ("*", "http", "93.184.216.34", 80, False),
        ("*", "http", "localhost", 80, True),
        ("*", "http", "10.1.2.3", 8080, True),
        ("payments.internal", "http", "payments.internal", 80, True),
        ("http://api.example.com", "http", "api.example.com", 80, True),
        ("http://api.example.com", "https", "api.example.com", 443, False),
        ("HTTP://*.example.com:8080", "http", "api.example.com", 8080, True),
        ("http://*.example.com:8080", "http", "api.example.com", 80, False),
        ("https://localhost", "http", "localhost", 80, False),
        ("https://[fd00::1]:8443", "https", "fd00::1", 8443, True),
        ("10.1.2.3:80", "http", "10.1.2.3", 80, True),
    ],
)
def test_secret_goes_out_by_the_scheme_of_its_fence(pattern: str, scheme: str, host: str, port: int, may: bool) -> None:
    assert Fence(hosts_of([pattern])).lets_go_to(scheme, host, port) is may


@pytest.mark.parametrize(
    "wrong", ["ftp://api.example.com", "http://", "https://*", "http://a/b", "://a", "http://http://a"]
)
def test_what_is_no_host_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="must be names"):
        hosts_of([wrong])
