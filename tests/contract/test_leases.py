"""Leases on Redis, whatever becomes of the process that has them: blocked, stopped, killed, stuck; or of its helper."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from redis import Redis
from structlog.testing import capture_logs
from tests.support.services import is_alive

from interlock.log.redis_leases import LeaseKeeper, access_of
from interlock.log.redis_renewer import Renewer, slot_of

LEASE_MS = 1000
KEYS = [f"leases-of-tests:{{s{shard}}}:leases" for shard in range(3)]

KEEPER = """
import asyncio, json, sys
from interlock.log.redis_leases import LeaseKeeper

async def main(url, keys, lease_ms):
    keeper = LeaseKeeper(url, keys, lease_ms)
    keeper.keep_for("one")
    keeper.start(asyncio.get_running_loop(), is_cluster=False)
    while not keeper.is_helped:
        await asyncio.sleep(0.01)
    print(keeper.helper_pid, flush=True)
    sum(range(10**11))  # for ever, with the interpreter's lock

asyncio.run(main(*json.loads(sys.argv[1])))
"""


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as redis:
        redis.delete(*KEYS)
        yield redis


def grant(redis: Redis) -> None:
    """What a claim, or a renewal by the loop, leaves."""
    until = now_ms(redis) + LEASE_MS
    for key in KEYS:
        redis.zadd(key, {"one": until})


def now_ms(redis: Redis) -> int:
    seconds, microseconds = redis.time()
    return seconds * 1000 + microseconds // 1000


def is_kept(redis: Redis) -> bool:
    """Whether all leases go on."""
    now = now_ms(redis)
    return all((redis.zscore(key, "one") or 0) > now for key in KEYS)


@asynccontextmanager
async def keeping(url: str, *, stuck_seconds: float = 15.0) -> AsyncIterator[LeaseKeeper]:
    keeper = LeaseKeeper(url, KEYS, LEASE_MS, stuck_seconds=stuck_seconds)
    keeper.keep_for("one")
    keeper.start(asyncio.get_running_loop(), is_cluster=False)
    try:
        await until(lambda: keeper.is_helped)
        yield keeper
    finally:
        await asyncio.to_thread(keeper.stop)


@contextmanager
def blocked_keeper(url: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process whose loop computes with the interpreter's lock, and its helper's pid."""
    given = json.dumps([url, KEYS, LEASE_MS])
    with subprocess.Popen([sys.executable, "-c", KEEPER, given], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


async def until(is_so: Callable[[], bool], seconds: float = 45.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)


def hold_the_lock(seconds: float) -> None:
    """One call into C that computes for some seconds, and gives the interpreter's lock to nobody meanwhile."""
    began = time.monotonic()
    sum(range(10**7))
    sum(range(round(10**7 * seconds / (time.monotonic() - began))))


# --- the process ---


async def test_code_that_holds_the_interpreter_s_lock_costs_no_lease(redis: Redis, redis_url: str) -> None:
    async with keeping(redis_url):
        grant(redis)
        hold_the_lock(3 * LEASE_MS / 1000)
        assert is_kept(redis)


async def test_lease_is_lost_when_the_loop_is_stuck_past_the_bound(redis: Redis, redis_url: str) -> None:
    async with keeping(redis_url, stuck_seconds=1.0):
        grant(redis)
        hold_the_lock(1.5 + 2 * LEASE_MS / 1000)
        assert not is_kept(redis)


async def test_killed_process_takes_its_helper_along_and_loses_its_leases(redis: Redis, redis_url: str) -> None:
    with blocked_keeper(redis_url) as (process, helper):
        grant(redis)
        await asyncio.sleep(2 * LEASE_MS / 1000)
        assert is_kept(redis)
        process.kill()
        await until(lambda: not is_alive(helper))
        await until(lambda: not is_kept(redis), 2 * LEASE_MS / 1000)


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells whether a process is stopped")
async def test_stopped_process_loses_its_leases_though_its_helper_goes_on(redis: Redis, redis_url: str) -> None:
    with blocked_keeper(redis_url) as (process, helper):
        grant(redis)
        process.send_signal(signal.SIGSTOP)
        await until(lambda: not is_kept(redis), 4 * LEASE_MS / 1000)
        assert is_alive(helper)


# --- the helper ---


async def test_killed_helper_is_told_of_once_and_replaced_and_costs_no_lease(redis: Redis, redis_url: str) -> None:
    with capture_logs() as logs:
        async with keeping(redis_url) as keeper:
            first = keeper.helper_pid
            assert first is not None
            grant(redis)
            os.kill(first, signal.SIGKILL)
            time.sleep(2 * LEASE_MS / 1000)  # noqa: ASYNC251 - blocked, but for the thread that stands in
            assert is_kept(redis)
            await until(lambda: keeper.is_helped and keeper.helper_pid != first)
    assert [each["code"] for each in logs if each["event"] == "lease_helper_ended"] == [-signal.SIGKILL]


async def test_helper_outlives_the_signals_that_are_meant_for_the_server(redis: Redis, redis_url: str) -> None:
    async with keeping(redis_url) as keeper:
        assert keeper.helper_pid is not None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(keeper.helper_pid, number)
        grant(redis)
        hold_the_lock(2 * LEASE_MS / 1000)
        assert is_kept(redis)


async def test_stopped_keeper_leaves_no_process(redis_url: str) -> None:
    async with keeping(redis_url) as keeper:
        helper = keeper.helper_pid
    assert helper is not None
    assert not is_alive(helper)


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
async def test_helper_is_small_and_shows_no_secret(redis: Redis, redis_url: str) -> None:
    redis.acl_setuser("leases", enabled=True, passwords=["+not to be seen"], keys="*", commands=["+@all"])
    async with keeping(redis_url.replace("//", "//leases:not%20to%20be%20seen@")) as keeper:
        process = Path(f"/proc/{keeper.helper_pid}")
        size = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmRSS"))
        assert int(size.split()[1]) < 20 * 1024
        assert "not to be seen" not in (process / "cmdline").read_text()
        grant(redis)
        hold_the_lock(2 * LEASE_MS / 1000)
        assert is_kept(redis)
    redis.acl_deluser("leases")


async def test_helper_whose_connection_was_closed_makes_another(redis: Redis, redis_url: str) -> None:
    async with keeping(redis_url):
        redis.client_kill_filter(_type="normal", skipme=True)
        grant(redis)
        hold_the_lock(2 * LEASE_MS / 1000)
        assert is_kept(redis)


# --- the way to Redis ---


async def test_renewer_comes_through_tls_and_refuses_a_stranger(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    own = certificate(tmp_path)
    async with tls_proxy(redis_url, own) as port:
        url = f"rediss://localhost:{port}/0?ssl_ca_certs="
        grant(redis)
        before = redis.zscore(KEYS[0], "one")
        assert not await asyncio.to_thread(renewed, url + str(certificate(tmp_path / "other")))
        assert redis.zscore(KEYS[0], "one") == before
        assert await asyncio.to_thread(renewed, url + str(own))
        assert (redis.zscore(KEYS[0], "one") or 0) > (before or 0)


def renewed(url: str) -> bool:
    """Whether a renewer finds its way, and renews."""
    renewer = Renewer(access_of(url), KEYS, LEASE_MS, is_cluster=False, every=1.0, stuck=15.0)
    with contextlib.closing(renewer):
        return renewer.look("one", 3.0) and renewer.is_ready


def test_renewer_makes_no_lease_that_another_has_ended(redis: Redis, redis_url: str) -> None:
    assert renewed(redis_url)
    assert not redis.exists(*KEYS)


@pytest.mark.parametrize(
    ("url", "access"),
    [
        ("redis://h", {"host": "h", "port": 6379, "tls": False}),
        ("redis://:p%40@h:1/2", {"host": "h", "port": 1, "tls": False, "db": 2, "password": "p@"}),
        ("unix:///run/redis?db=3", {"host": "localhost", "port": 6379, "tls": False, "path": "/run/redis", "db": 3}),
        (
            "rediss://u:p@h?ssl_cert_reqs=none",
            {"host": "h", "port": 6379, "tls": True, "username": "u", "password": "p", "ssl_cert_reqs": "none"},
        ),
    ],
)
def test_access_is_what_the_url_says(url: str, access: dict[str, object]) -> None:
    assert access_of(url) == access


def test_slots_are_redis_s_own() -> None:
    assert slot_of("a:{123456789}:b") == 0x31C3  # the specification's own example


def certificate(folder: Path) -> Path:
    """One for localhost, signed by itself, with its key."""
    folder.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "localhost.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@asynccontextmanager
async def tls_proxy(redis_url: str, own: Path) -> AsyncIterator[int]:
    """A port where one Redis is behind TLS."""
    port = int(redis_url.rsplit(":", 1)[1].partition("/")[0])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, downstream = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copied(reader, downstream), copied(upstream, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
