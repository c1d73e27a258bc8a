"""What a secret's name, value and fence may be, wherever they are given: over HTTP, or in the environment."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, TypeAdapter
from pydantic_core import PydanticCustomError

from interlock.secrets.fence import ANY, MAX_LISTED, Fence, hosts_of

SHORTEST: Final = 8
"""The minimum length of a secret: a shorter one is guessed, and found by chance in what is struck out."""

LONGEST: Final = 16 * 1024
"""The maximum length of a secret, for the sake of what it is inserted into."""

NAME: Final = r"^[A-Z0-9_]{1,128}$"
_NAME: Final = re.compile(r"[A-Z0-9_]{1,128}")


def is_secret_name(text: str) -> bool:
    """Return True if a secret may have this name."""
    return _NAME.fullmatch(text) is not None


def _hosts(given: list[str]) -> list[str]:
    try:
        return list(hosts_of(given))
    except ValueError as error:
        raise PydanticCustomError("told", "{words}", {"words": str(error)}) from None


_Listed: TypeAlias = Annotated[str, Field(min_length=1, max_length=255)]
Hosts: TypeAlias = Annotated[list[_Listed], Field(max_length=MAX_LISTED), AfterValidator(_hosts)]
"""Hosts, as `fence` has them."""

Workflows: TypeAlias = Annotated[list[_Listed], Field(max_length=MAX_LISTED)]
"""The ids of workflows, or `*`."""


class FenceRules(BaseModel):
    """Where a secret may go; see `Fence`."""

    model_config = ConfigDict(extra="forbid")

    hosts: Hosts = [ANY]
    workflows: Workflows = [ANY]
    script: StrictBool = False

    @property
    def fence(self) -> Fence:
        return Fence(tuple(self.hosts), tuple(self.workflows), self.script)


def fences_in(text: str) -> dict[str, Fence]:
    """Return the fences in a JSON object, by the names of their secrets.

    Raises:
        ValueError: it isn't such an object.
    """
    return {name: rules.fence for name, rules in _BY_NAME.validate_json(text).items()}


_BY_NAME: Final = TypeAdapter(dict[Annotated[str, Field(pattern=NAME)], FenceRules])
