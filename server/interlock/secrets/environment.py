"""The secrets of workflows that stand in the environment, as `INTERLOCK_SECRET_<NAME>`.

Laws:
- They are read once, at the start. What is wrong with them is told all at once, with their names and without values.
- No repr shows a value.
- Their fences are the operator's, who writes them beside (`INTERLOCK_SECRETS_RULES`); those without one go anywhere but
  into scripts.

Source: `docs/secrets.md`, "Secrets in the environment".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from interlock.errors import SettingsError
from interlock.secrets.encodings import SHORTEST
from interlock.secrets.fence import OPEN, Fence, Secret
from interlock.secrets.rules import LONGEST, is_secret_name, is_too_short
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.values import is_text

PREFIX: Final = "INTERLOCK_SECRET_"
RULES: Final = "INTERLOCK_SECRETS_RULES"


class EnvironmentSecrets:
    """The secrets in an environment; empty variables count as none.

    Args:
        fences: where they may go, by their names.

    Raises:
        SettingsError: a name or a value can't be used, or a fence is about no secret.
    """

    def __init__(self, environment: Mapping[str, str], fences: Mapping[str, Fence] = MappingProxyType({})) -> None:
        given = {
            name.removeprefix(PREFIX): value for name, value in environment.items() if name.startswith(PREFIX) and value
        }
        problems = [sentence for name, value in sorted(given.items()) for sentence in _problems(name, value)]
        problems += [
            f"{RULES} is about {name!r}, which isn't set: set {PREFIX}{name} too, or take it out."
            for name in sorted(fences.keys() - given.keys())
        ]
        if problems:
            raise SettingsError("\n".join(problems))
        self._secrets = {
            name: Secret(name, value, fences.get(name, OPEN), "environment") for name, value in given.items()
        }

    def __repr__(self) -> str:
        return f"<EnvironmentSecrets {', '.join(sorted(self._secrets))}>"

    @property
    def values(self) -> list[str]:
        """All values, to be struck out."""
        return [each.value for each in self._secrets.values() if each.value is not None]

    def of(self, account: str) -> Mapping[str, Secret]:
        """Return the secrets that an account has here, by their names: those of the environment are for the account
        `default` only, because the environment is the operator's."""
        return self._secrets if account == DEFAULT_ACCOUNT else {}


def _problems(name: str, value: str) -> Iterator[str]:
    variable = f"{PREFIX}{name}"
    if not is_secret_name(name):
        yield f"{variable!r} has to be named with A to Z, 0 to 9 and _ only, as in {PREFIX}API_KEY."
    if is_too_short(value):
        yield f"{variable} must have at least {SHORTEST} characters: a shorter secret can't be told from other text."
    if len(value) > LONGEST:
        yield f"{variable} must have at most {LONGEST} characters."
    if not is_text(value):
        yield f"{variable} must be text in UTF-8."
