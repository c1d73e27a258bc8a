"""What the routes of providers and integrations take and give. No answer has a credential."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from interlock.secrets.providers import NAME, Address, Auth, Check, Provider
from interlock.secrets.rules import LONGEST, Workflows


class PutProvider(Provider):
    """An outside service. What it leaves out (its address, how it is told who asks), each integration gives."""


class ProviderInfo(Provider):
    """A provider: built in, or one of the account's own."""

    name: str
    built_in: bool


class ProviderList(BaseModel):
    """The providers, in the order of their names."""

    providers: list[ProviderInfo]


class CreateIntegration(BaseModel):
    """A credential for a provider."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=NAME)]
    provider: Annotated[str, Field(pattern=NAME)]
    credentials: dict[str, Annotated[str, Field(min_length=1, max_length=LONGEST)]] | None = Field(None, repr=False)
    base_url: Address | None = Field(None, description="by default the provider's")
    auth: Auth | None = Field(None, description="for a provider that leaves it to its integrations")
    check: Check | None = Field(None, description="by default the provider's")
    workflows: Workflows | None = Field(None, description="which may use it; by default all")


class ConnectAt(BaseModel):
    """Where the browser goes that asked."""

    url: str


class IntegrationInfo(BaseModel):
    """An integration, without its credential."""

    name: str
    namespace: str | None
    provider: str
    base_url: str
    auth: str
    workflows: list[str]
    created_at: str | None
    updated_at: str | None
    updated_by: str | None


class IntegrationList(BaseModel):
    """The integrations of one's account, or of one of its namespaces, in the order of their names."""

    integrations: list[IntegrationInfo]


class Accepted(BaseModel):
    """The provider accepts the credential."""

    accepted: bool
