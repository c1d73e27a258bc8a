"""A folder of definitions, which a server publishes when it starts.

Laws:
- All is read and checked before anything is published; all faults of all files are told at once, each with its file and
  its path.
- A definition is published if it differs from the current version of its name. Of several servers that start with the
  same folder, one publishes it, and the others see that it is there.
- A definition that isn't in the folder any more stays as it is.
- What stands in `accounts/NAME/` is of the account NAME, and everything else of `default`.

Source: `docs/settings.md`, `INTERLOCK_DEFINITIONS`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from interlock.definitions.files import UnreadableFile, definition_in, files_in
from interlock.definitions.kinds import kind_of
from interlock.errors import SettingsError
from interlock.store.ports.definitions import DefinitionStore, NewVersion
from interlock.workflow.activities import LogicError
from interlock.workflow.declare.checks import Fault
from interlock_protocol.namespaces import DEFAULT_ACCOUNT, UnusableName, check_account
from interlock_protocol.types import JsonObject

logger = structlog.get_logger(__name__)

PUBLISHER: Final = "system:definitions"
"""Who publishes what is in the folder."""

ACCOUNTS: Final = "accounts"
"""The folder in which each folder is an account's."""

Check: TypeAlias = Callable[[object], Awaitable[Sequence[Fault]]]


@dataclass(frozen=True, slots=True)
class InFile:
    """A definition, its file, and the account that it is of."""

    path: Path
    definition: JsonObject
    account: str = DEFAULT_ACCOUNT

    @property
    def name(self) -> str:
        return str(self.definition["name"])


async def definitions_in(folder: Path, check: Check, is_in_code: Callable[[str], bool]) -> Sequence[InFile]:
    """Return the definitions in a folder.

    Args:
        check: returns the faults of a definition.
        is_in_code: says whether a workflow in Python has a name.

    Raises:
        SettingsError: the folder can't be read, or a file in it has no definition that can be published.
    """
    try:
        paths = list(files_in(folder))
    except OSError as error:
        raise SettingsError(
            f"INTERLOCK_DEFINITIONS must be the path of a folder that can be read: {error.strerror or error}."
        ) from None
    found: list[InFile] = []
    faults: list[str] = []
    for path in paths:
        try:
            read = InFile(path, definition_in(path), _account_of(path.relative_to(folder)))
        except (UnreadableFile, UnusableName) as error:
            faults.append(f"{path}: {error}")
            continue
        wrong = [f"{path}: {said(fault)}" for fault in await _checked(read, check) if not fault.is_warning]
        wrong = wrong or list(_taken(read, is_in_code, found))
        faults += wrong
        if not wrong:
            found.append(read)
    if faults:
        raise SettingsError("\n".join(["INTERLOCK_DEFINITIONS has definitions that can't be published:", *faults]))
    return found


def _account_of(path: Path) -> str:
    """The account of a definition at this path in the folder.

    Raises:
        UnreadableFile, UnusableName: there is no account of that name.
    """
    if path.parts[0] != ACCOUNTS:
        return DEFAULT_ACCOUNT
    if len(path.parts) < 3:
        raise UnreadableFile(f"It stands in the folder {ACCOUNTS!r} itself; put it into one with an account's name.")
    return check_account(path.parts[1])


async def _checked(read: InFile, check: Check) -> Sequence[Fault]:
    try:
        return await check(read.definition)
    except LogicError as error:
        raise SettingsError(f"INTERLOCK_DEFINITIONS has {read.path}, which can't be checked now: {error}.") from None


def _taken(read: InFile, is_in_code: Callable[[str], bool], earlier: Sequence[InFile]) -> Iterator[str]:
    """Yield what else has the name of a definition."""
    if is_in_code(read.name):
        yield f"{read.path}: name: A workflow in Python has the name {read.name!r}; give one of them another name."
    for other in earlier:
        if (other.account, other.name) == (read.account, read.name):
            yield f"{read.path}: name: {other.path} has the name {read.name!r} too; give one of them another name."


def said(fault: Fault) -> str:
    """A fault in a line."""
    return f"{fault.path}: {fault.message}" if fault.path else fault.message


async def publish_all(store: DefinitionStore, definitions: Sequence[InFile], now: int) -> None:
    """Publish those that differ from the current versions of their accounts.

    Args:
        now: the time, in milliseconds since 1970.

    Raises:
        StoreUnavailable: they can't be published now.
    """
    for each in definitions:
        new = NewVersion(each.account, each.name, each.definition, now, PUBLISHER, kind_of(each.definition))
        published = await store.save_and_publish(new)
        if published is not None:
            logger.info(
                "definition_published", workflow_id=each.name, account=each.account, version=published.version_id
            )
