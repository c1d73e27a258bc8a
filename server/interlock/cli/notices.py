"""`interlock users notify` and `interlock notify test`: where people are told that they are waited for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from interlock.cli.exits import ExitCode, Failure
from interlock.cli.http import call_api
from interlock.cli.people import id_of, quoted, say
from interlock.cli.target import Target
from interlock_protocol.types import JsonValue


def change_addresses(target: Target, who: str, at: Sequence[str], off: Sequence[str], *, out: IO[str]) -> None:
    """Change the addresses of a person, and print all of them, a line each: channel, address.

    Raises:
        Failure: what is to be changed isn't written as it should be, or the server refuses.
    """
    path = f"/users/{quoted(id_of(target, who))}/notifications"
    found = call_api(target, "GET", path)
    addresses: dict[str, JsonValue] = dict(found.get("addresses", {}))
    for each in at:
        channel, sign, address = each.partition("=")
        if not sign:
            raise Failure("Write --at as CHANNEL=ADDRESS, such as mail=ada@example.com.", ExitCode.USAGE)
        addresses[channel] = address
    for channel in off:
        addresses.pop(channel, None)
    if at or off:
        found = call_api(target, "PUT", path, {"addresses": addresses})
    for channel, address in sorted(found.get("addresses", {}).items()):
        say(out, f"{channel}\t{address}")


def send_test(target: Target, who: str, *, out: IO[str]) -> None:
    """Send a person a test, and print how it went, a line for each channel.

    Raises:
        Failure: they have no address, or one of the channels failed.
    """
    path = f"/users/{quoted(id_of(target, who))}/notifications/test"
    tried = call_api(target, "POST", path).get("tried", [])
    if not tried:
        raise Failure("They have no address; give one by `interlock users notify`.", ExitCode.ERROR)
    for each in tried:
        say(out, f"{each.get('channel')}\t{'sent' if each.get('sent') else each.get('trouble')}")
    if not all(each.get("sent") for each in tried):
        raise Failure("Not all of it could be sent.", ExitCode.ERROR)
