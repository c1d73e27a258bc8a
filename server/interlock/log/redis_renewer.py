"""Renews leases on Redis in place of a blocked event loop. `LeaseKeeper` uses this module, and runs it as a program.

Laws:
- It imports little, and only from the standard library, so its process takes some 10 MB and starts fast. It is started
  by its path, so that it imports nothing of the server.
- It acts only after the event loop has been silent for a while, and only up to a bound. Before each renewal it checks
  that the parent process is neither stopped nor gone.
- It never creates a lease, and never shortens one (`XX`, `GT`).
- It gets its orders over its standard input, and ends when that closes. It ignores signals meant for the server.
- Masters of a Cluster are independent, and each one's leases use its own clock. A silent master is skipped for a while,
  so that the other masters' leases don't wait for it.

Source: `docs/architecture.md`, "On many nodes"; https://redis.io/docs/latest/develop/reference/protocol-spec/ (RESP2)
and https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/ (slots).
"""

from __future__ import annotations

import binascii
import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Address: TypeAlias = tuple[str, int]
    """A host and a port, or the path of a socket and 0."""

_SLOTS = 16384
_VERIFY = {"none": 0, "optional": 1, "required": 2}


class Renewer:
    """Renews an owner's leases.

    Args:
        access: how to connect to Redis: host and port, or path; username, password and db; whether to use TLS, and the
            `ssl_` options of redis-py.
        keys: the sorted sets that hold the leases.
        lease_ms: the length of a lease.
        is_cluster: whether Redis is part of a Cluster.
        every: the interval between two looks, and the timeout of an answer, in seconds.
        stuck: how long an event loop may be silent, in seconds.
    """

    def __init__(
        self,
        access: dict[str, Any],
        keys: Sequence[str],
        lease_ms: int,
        *,
        is_cluster: bool,
        every: float,
        stuck: float,
    ) -> None:
        self._access = access
        self._keys = keys
        self._lease_ms = lease_ms
        self._is_cluster = is_cluster
        self._every = every
        self._stuck = stuck
        self._door: Address = (access["path"], 0) if access.get("path") else (access["host"], access["port"])
        self._masters: dict[Address, list[str]] = {} if is_cluster else {self._door: list(keys)}
        self._links: dict[Address, _Link] = {}
        self._silent_until: dict[Address, float] = {}

    def look(self, owner: str, silent: float) -> bool:
        """Renew the leases if the event loop has been silent long enough but not too long; return whether it was.

        In any case, make sure that there is a connection, and that the masters of a Cluster are known before one of
        them is away.
        """
        if not self._masters:
            self._find_masters()
        elif not self._links:
            self._ask(next(iter(self._masters)), [("PING",)])
        if not owner or not 2 * self._every < silent < self._stuck:
            return False
        done = [self._renew_at(address, owner, keys) for address, keys in self._masters.items()]
        if self._is_cluster and not all(done):  # another master may have its keys by now
            self._find_masters()
        return True

    @property
    def is_ready(self) -> bool:
        """True if there is a connection to Redis."""
        return bool(self._links)

    def close(self) -> None:
        """Close the connections."""
        for address in list(self._links):
            self._drop(address)

    def _renew_at(self, address: Address, owner: str, keys: Sequence[str]) -> bool:
        """Renew the leases at one master. Return True if the master accepted all commands."""
        answers = self._ask(address, [("TIME",)])
        if answers is None or not isinstance(answers[0], list):
            return False
        seconds, microseconds = map(int, answers[0])
        until = seconds * 1000 + microseconds // 1000 + self._lease_ms
        renewed = self._ask(address, [("ZADD", key, "XX", "GT", str(until), owner) for key in keys])
        return renewed is not None and not any(isinstance(each, _RefusalError) for each in renewed)

    def _find_masters(self) -> None:
        """Ask the first node that answers which master has which keys."""
        for address in (*self._masters, self._door):
            answers = self._ask(address, [("CLUSTER", "SLOTS")])
            if answers is not None and isinstance(answers[0], list):
                found = _by_master(self._keys, answers[0], address[0])
                self._masters = found or self._masters
                return

    def _ask(self, address: Address, commands: Sequence[Sequence[str]]) -> list[Any] | None:
        """Return an answer to each command, or None if the node can't be reached, refuses the login, or is silent."""
        if time.monotonic() < self._silent_until.get(address, 0.0):
            return None
        try:
            with contextlib.suppress(ConnectionError):  # Redis may have closed an idle connection
                if address in self._links:
                    return self._links[address].ask(commands)
            self._drop(address)
            link = self._links[address] = _Link(self._access, address, self._every, self._is_cluster)
            return link.ask(commands)
        except (OSError, ValueError, _RefusalError):
            self._drop(address)
            if self._is_cluster:
                self._silent_until[address] = time.monotonic() + 2 * self._every
            return None

    def _drop(self, address: Address) -> None:
        link = self._links.pop(address, None)
        if link is not None:
            link.close()


class _RefusalError(Exception):
    """An error reply from Redis."""


class _Link:
    """One connection to a Redis.

    Raises:
        OSError: Redis can't be reached, or doesn't answer in time.
        _RefusalError: Redis refuses the login.
    """

    def __init__(self, access: dict[str, Any], address: Address, seconds: float, is_cluster: bool) -> None:
        self._socket = _connected(access, address, seconds)
        self._replies: IO[bytes] = self._socket.makefile("rb")
        hello: list[Sequence[str]] = []
        if access.get("password") is not None:
            user = [access["username"]] if access.get("username") else []
            hello.append(("AUTH", *user, access["password"]))
        if access.get("db") and not is_cluster:
            hello.append(("SELECT", str(access["db"])))
        try:
            for answer in self.ask(hello):
                if isinstance(answer, _RefusalError):
                    raise answer
            self.ask([("CLIENT", "SETNAME", "interlock-leases")])  # shown in CLIENT LIST; may be refused
        except BaseException:
            self.close()
            raise

    def ask(self, commands: Sequence[Sequence[str]]) -> list[Any]:
        """Send the commands together, and return an answer to each."""
        if commands:
            self._socket.sendall(b"".join(map(_packed, commands)))
        return [_reply(self._replies) for _ in commands]

    def close(self) -> None:
        self._replies.close()
        self._socket.close()


def _connected(access: dict[str, Any], address: Address, seconds: float) -> socket.socket:
    host, port = address
    if access.get("path"):
        local = socket.socket(socket.AF_UNIX)
        local.settimeout(seconds)
        local.connect(host)
        return local
    plain = socket.create_connection((host, port), seconds)
    if not access.get("tls"):
        return plain
    try:
        wrapped: socket.socket = _tls(access).wrap_socket(plain, server_hostname=host)
        return wrapped
    except BaseException:
        plain.close()
        raise


def _tls(access: dict[str, Any]) -> Any:
    """Create the same context that redis-py creates from these options."""
    import ssl  # some 5 MB, so only if needed

    context = ssl.create_default_context()
    verify = access.get("ssl_cert_reqs", "required")
    context.check_hostname = verify != "none" and access.get("ssl_check_hostname", True)
    context.verify_mode = ssl.VerifyMode(_VERIFY[verify])
    for flag in access.get("ssl_include_verify_flags") or ():
        context.verify_flags |= ssl.VerifyFlags(flag)
    for flag in access.get("ssl_exclude_verify_flags") or ():
        context.verify_flags &= ~ssl.VerifyFlags(flag)
    if access.get("ssl_certfile"):
        context.load_cert_chain(access["ssl_certfile"], access.get("ssl_keyfile"), access.get("ssl_password"))
    authorities = [access.get(name) for name in ("ssl_ca_certs", "ssl_ca_path", "ssl_ca_data")]
    if any(authorities):
        context.load_verify_locations(*authorities)
    if access.get("ssl_min_version"):
        context.minimum_version = ssl.TLSVersion(int(access["ssl_min_version"]))
    if access.get("ssl_ciphers"):
        context.set_ciphers(access["ssl_ciphers"])
    return context


def _packed(command: Sequence[str]) -> bytes:
    parts = [part.encode() for part in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def _reply(replies: IO[bytes]) -> Any:
    """Read one answer; an error reply is returned, not raised."""
    line = replies.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the connection was closed")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        return _RefusalError(rest.decode(errors="replace"))
    if kind == b"+":
        return rest
    number = int(rest)
    if kind == b"*":
        return [_reply(replies) for _ in range(number)]
    if kind == b"$" and number >= 0:
        return replies.read(number + 2)[:-2]
    return number if kind == b":" else None


def _by_master(keys: Sequence[str], slots: list[Any], asked: str) -> dict[Address, list[str]]:
    """Group keys by master. A master that doesn't know its own host name gets the one that was asked."""
    masters: dict[Address, list[str]] = {}
    for key in keys:
        slot = slot_of(key)
        for first, last, (host, port, *_), *_replicas in slots:
            if first <= slot <= last:
                masters.setdefault((host.decode() if host else asked, port), []).append(key)
    return masters


def slot_of(key: str) -> int:
    """The slot of a key that has a hash tag in braces."""
    return binascii.crc_hqx(key.partition("{")[2].partition("}")[0].encode(), 0) % _SLOTS


# ── The program ─────────────────────────────────────────────────────────────────────────────────────────


def is_standing(pid: int) -> bool:
    """Return True if this process is stopped (SIGSTOP) or dead, and so not just blocked.

    Without `/proc` that is unknown, and the result is False.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - `pathlib` would be the largest import
            stat = file.read()
    except OSError:
        return False
    return stat.rpartition(b") ")[2][:1] in b"TtZX"


def main() -> None:
    """Run the program: read the settings from the first line, and the owner and its event loop's last beat from each
    further line.

    It writes one line when it is ready.
    """
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # meant for the server, which may go on for a while
        signal.signal(each, signal.SIG_IGN)
    lines = _Lines(sys.stdin.fileno())
    first = lines.wait(None)
    if not first:
        return
    settings = json.loads(first[0])
    parent, every = settings.pop("parent"), settings["every"]
    renewer = Renewer(**settings)
    owner, beat_at = "", time.monotonic()
    beats: list[bytes] | None = first[1:]
    has_said = False
    while beats is not None and os.getppid() == parent:
        if beats:
            owner, beat_at = json.loads(beats[-1])
        silent = time.monotonic() - beat_at
        renewer.look("" if is_standing(parent) else owner, silent)
        if renewer.is_ready and not has_said:
            has_said = bool(os.write(sys.stdout.fileno(), b"\n"))
        beats = lines.wait(every)


class _Lines:
    """Lines from a pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._rest = b""

    def wait(self, seconds: float | None) -> list[bytes] | None:
        """Return the lines that arrive, or none after `seconds`; None if the pipe is closed."""
        while select.select([self._fd], [], [], seconds)[0]:
            data = os.read(self._fd, 65536)
            if not data:
                return None
            *lines, self._rest = (self._rest + data).split(b"\n")
            if lines:
                return lines
        return []


if __name__ == "__main__":
    main()
