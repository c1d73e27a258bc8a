"""What a secret's name, value and fence may be, wherever they are given: over HTTP, or in the environment."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, TypeAdapter
from pydantic_core import PydanticCustomError

from interlock.secrets.encodings import SHORTEST
from interlock.secrets.fence import ANY, MAX_LISTED, Fence, hosts_of

LONGEST: Final = 16 * 1024
"""The maximum length of a secret, for the sake of what it is inserted into."""

NAME: Final = r"^[A-Z0-9_]{1,128}$"
_NAME: Final = re.compile(r"[A-Z0-9_]{1,128}")


def is_secret_name(text: str) -> bool:
    """Return True if a secret may have this name."""
    return _NAME.fullmatch(text) is not None


def is_too_short(value: str) -> bool:
    """Return True if a value is too short for a secret; white space around it doesn't count."""
    return len(value.strip()) < SHORTEST


def _long_enough(value: str) -> str:
    if is_too_short(value):
        raise PydanticCustomError("told", "{words}", {"words": f"must have at least {SHORTEST} characters"})
    return value


Value: TypeAlias = Annotated[str, Field(max_length=LONGEST), AfterValidator(_long_enough)]
"""The value of a secret."""


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
