"""Bundles: how they are named, and those that a server is given in files when it starts.

Laws:
- The version of a bundle is a hash of its text.
- All files are read before anything is kept. What is the current version already isn't kept again.
- A version stays, whatever comes after it: runs go on with the one that they asked with.

Source: `docs/widgets.md`, "Bundles".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import structlog

from interlock.errors import SettingsError
from interlock.store.ports.widgets import Bundle, Bundles
from interlock.workflow.declare.values import legible
from interlock_protocol.limits import MIB
from interlock_protocol.widgets import is_bundle

logger = structlog.get_logger(__name__)

MAX_BYTES: Final = 2 * MIB
"""The largest bundle."""

OPERATOR: Final = "system:widgets"
"""Who adds what is in files."""

NAMES: Final = "that has 1 to 64 lower-case letters, digits, underscores and hyphens"


class Unusable(ValueError):  # noqa: N818 - what the text is
    """A name, or a text, isn't a bundle's; the sentence says why, and `field` which of them."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


def version_of(source: str) -> str:
    """The version of a bundle with this text."""
    return hashlib.sha256(source.encode()).hexdigest()[:32]


def bundle_of(name: str, source: str, *, by: str, at: int) -> Bundle:
    """A bundle of this text.

    Raises:
        Unusable: it can't be one.
    """
    if not is_bundle(name):
        raise Unusable("name", f"{legible(repr(name))} can't be a bundle's name: {NAMES}")
    if not source.strip():
        raise Unusable("source", f"the bundle {name!r} is empty; it is a script with a function `mount`")
    if len(source.encode(errors="replace")) > MAX_BYTES:
        raise Unusable("source", f"the bundle {name!r} is over {MAX_BYTES // MIB} MiB; make it smaller")
    return Bundle(name, version_of(source), source, by, at)


def bundles_in(folder: Path | None, given: Mapping[str, Path | str], at: int) -> list[Bundle]:
    """The bundles in a folder, each as NAME.js, and those that the application names.

    Args:
        at: the time, in milliseconds since 1970.

    Raises:
        SettingsError: one can't be read, or two have one name.
    """
    named = [("INTERLOCK_WIDGETS", path.stem, path) for path in _files_in(folder)]
    named += [("widgets", name, Path(path)) for name, path in given.items()]
    found: dict[str, Bundle] = {}
    for source, name, path in named:
        if name in found:
            raise SettingsError(f"{source}: there are two bundles {name!r}; {path} is the second. Rename one.")
        try:
            found[name] = bundle_of(name, path.read_text("utf-8"), by=OPERATOR, at=at)
        except UnicodeDecodeError:
            raise SettingsError(f"{source}: {path} isn't a text in UTF-8; give a script.") from None
        except OSError as error:
            raise SettingsError(f"{source}: {path} can't be read: {error.strerror or error}.") from None
        except Unusable as error:
            raise SettingsError(f"{source}: {path}: {error}.") from None
    return list(found.values())


def _files_in(folder: Path | None) -> Iterator[Path]:
    if folder is None:
        return
    if not folder.is_dir():
        raise SettingsError("INTERLOCK_WIDGETS must be the path of a folder that can be read.")
    yield from sorted(each for each in folder.iterdir() if each.suffix == ".js" and each.is_file())


async def keep_all(store: Bundles, bundles: list[Bundle]) -> None:
    """Keep those that differ from the current versions.

    Raises:
        StoreUnavailable: they can't be kept now.
    """
    for each in bundles:
        if await store.keep_bundle(each):
            logger.info("widget_added", bundle=each.name, version=each.version)
