"""The keys that verify signatures, and the algorithms of each.

Laws:
- The key determines the algorithms, never the token: a shared secret verifies HS* only, an RSA key RS* and PS*
  only, an elliptic curve its one ES*. So a public key can't be used as a secret, and no key allows `none`.
- A key too weak for an algorithm doesn't have that algorithm (RFC 7518: an HMAC key is at least as long as its
  hash).
- Only public keys are kept; a private key is refused, because a server that only verifies shouldn't have one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

RSA_ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
CURVE_ALGORITHMS: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
PUBLIC_KEY_ALGORITHMS: Final = RSA_ALGORITHMS | frozenset(CURVE_ALGORITHMS.values())
HMAC_KEY_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
MIN_SECRET_BYTES: Final = min(HMAC_KEY_BYTES.values())
MIN_RSA_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A key and the algorithms it may be used with, at least one."""

    key: Any = field(repr=False)
    algorithms: frozenset[str]
    kid: str | None = None


def key_from_secret(secret: str) -> VerifyingKey:
    """The key for a configured secret: a PEM public key or certificate, or a shared secret.

    Raises:
        ValueError: it is neither, or too weak; the message completes "INTERLOCK_JWT_SECRET …".
    """
    if "-----BEGIN" in secret:
        return _pem_key(secret)
    if len(secret.encode()) < MIN_SECRET_BYTES:
        raise ValueError(
            f"is too short to sign tokens with: use {MIN_SECRET_BYTES} bytes or more, for example from"
            " `openssl rand -hex 32`, or give a public key in PEM form."
        )
    return _shared_secret(secret)


def algorithms_for(key: object) -> frozenset[str]:
    """The algorithms that a public key may verify; none for a key that is too weak or of another kind."""
    if isinstance(key, rsa.RSAPublicKey):
        return RSA_ALGORITHMS if key.key_size >= MIN_RSA_BITS else frozenset()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return frozenset({CURVE_ALGORITHMS[key.curve.name]} if key.curve.name in CURVE_ALGORITHMS else ())
    return frozenset()


def _shared_secret(secret: str) -> VerifyingKey:
    key = secret.encode()
    try:
        # Refuses a public key in another format (OpenSSH, DER).
        jwt.get_algorithm_by_name("HS256").prepare_key(key)
    except jwt.InvalidKeyError:
        raise ValueError("is a key in a form that isn't understood: give a public key in PEM form.") from None
    return VerifyingKey(key, frozenset(name for name, size in HMAC_KEY_BYTES.items() if len(key) >= size))


def _pem_key(text: str) -> VerifyingKey:
    if "PRIVATE KEY-----" in text:
        raise ValueError("is a private key: keep that where tokens are made, and give the public key here.")
    # In one-line environment files, the line ends of a PEM are written as \n.
    pem = text.replace("\\n", "\n").strip().encode()
    try:
        if b"BEGIN CERTIFICATE" in pem:
            key: object = x509.load_pem_x509_certificate(pem).public_key()
        else:
            key = load_pem_public_key(pem)
    except Exception:  # the loader raises many errors, which may quote the key
        raise ValueError("is not a readable PEM: give a public key or a certificate in PEM form.") from None
    if not (algorithms := algorithms_for(key)):
        raise ValueError(
            f"is a key that can't be used: give an RSA key of {MIN_RSA_BITS} bits or more,"
            " or one of the curves P-256, P-384 or P-521."
        )
    return VerifyingKey(key, algorithms)
