"""The secrets of workflows that stand in the environment, as `INTERLOCK_SECRET_<NAME>`.

Laws:
- They are read once, at the start. What is wrong with them is told all at once, with their names and without values.
- No repr shows a value.

Source: `docs/settings.md`, "Secrets of workflows".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from interlock.errors import SettingsError
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.values import is_text

PREFIX: Final = "INTERLOCK_SECRET_"

SHORTEST: Final = 8
"""The minimum length of a secret: a shorter one is guessed, and found by chance in what is struck out."""

LONGEST: Final = 16 * 1024
"""The maximum length of a secret, for the sake of what it is inserted into."""

_NAME: Final = re.compile(r"[A-Z0-9_]{1,128}")


class _Values(dict[str, str]):
    """Secrets by their names."""

    def __repr__(self) -> str:
        return f"<secrets {', '.join(sorted(self))}>"


class EnvironmentSecrets:
    """The secrets in an environment; empty variables count as none.

    Raises:
        SettingsError: a name or a value can't be used.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        given = {
            name.removeprefix(PREFIX): value for name, value in environment.items() if name.startswith(PREFIX) and value
        }
        problems = [sentence for name, value in sorted(given.items()) for sentence in _problems(name, value)]
        if problems:
            raise SettingsError("\n".join(problems))
        self._values: Mapping[str, str] = _Values(given)

    def __repr__(self) -> str:
        return f"<EnvironmentSecrets {self._values!r}>"

    def of(self, account: str) -> Mapping[str, str]:
        """Return the secrets that an account's workflows may use, by their names: those of the environment are for the
        account `default` only, because the environment is the operator's."""
        return self._values if account == DEFAULT_ACCOUNT else _Values()


def _problems(name: str, value: str) -> Iterator[str]:
    variable = f"{PREFIX}{name}"
    if not _NAME.fullmatch(name):
        yield f"{variable!r} has to be named with A to Z, 0 to 9 and _ only, as in {PREFIX}API_KEY."
    if len(value) < SHORTEST:
        yield f"{variable} must have at least {SHORTEST} characters: a shorter secret can't be told from other text."
    if len(value) > LONGEST:
        yield f"{variable} must have at most {LONGEST} characters."
    if not is_text(value):
        yield f"{variable} must be text in UTF-8."
