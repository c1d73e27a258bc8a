"""An identity provider: real keys, real tokens, and a real HTTP server that publishes the keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

SECRET = "s" * 64
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA_KEY = rsa.generate_private_key(65537, 2048)
CURVE_KEY = ec.generate_private_key(ec.SECP256R1())


def pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def jwk(key: PrivateKey, kid: str | None = None, **more: Any) -> dict[str, Any]:
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        entry = RSAAlgorithm.to_jwk(public, as_dict=True)
    else:
        entry = ECAlgorithm.to_jwk(public, as_dict=True)
    return {**entry, **({"kid": kid} if kid else {}), **more}


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "ada", "exp": int(time.time()) + 600, "scope": "workflows:read", **more}


def token(key: PrivateKey | str, algorithm: str, payload: dict[str, Any] | None = None, kid: str | None = None) -> str:
    headers = {"kid": kid} if kid else None
    return jwt.encode(payload or claims(), key, algorithm=algorithm, headers=headers)


def forge(header: dict[str, Any], payload: Any, sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    """A token such as no library would make."""
    parts = [_base64(json.dumps(part).encode()) for part in (header, payload)]
    return ".".join([*parts, _base64(sign(".".join(parts).encode()))])


def hmac_with(secret: str) -> Callable[[bytes], bytes]:
    return lambda message: hmac.digest(secret.encode(), message, hashlib.sha256)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Provider:
    """What the HTTP server answers; set the fields to make it fail."""

    url: str
    document: Any = field(default_factory=lambda: {"keys": [jwk(RSA_KEY, "first")]})
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    asked: threading.Event = field(default_factory=threading.Event)
    may_answer: threading.Event = field(default_factory=threading.Event)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        self.requests += 1
        self.asked.set()
        assert self.may_answer.wait(45)
        body = self.document if isinstance(self.document, bytes) else json.dumps(self.document).encode()
        return self.status, self.headers, body


@contextmanager
def provider() -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = published.answer()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        published = Provider(f"http://127.0.0.1:{server.server_port}/jwks.json")
        published.may_answer.set()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield published
        finally:
            published.may_answer.set()
            server.shutdown()
            thread.join()
