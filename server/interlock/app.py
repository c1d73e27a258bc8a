"""The wiring: settings and workflows in, an ASGI application out. The only module that knows the adapters.

Laws:
- Everything that is opened is closed, in the reverse order, even if a start fails half-way.
- A server that stops closes its sockets with 4503 and leaves every run as its log has it.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp

from interlock.addresses import Allowed
from interlock.aio.tasks import end
from interlock.auth.local_token import local_token
from interlock.auth.tokens import Authenticator, authenticator_from, principals_of
from interlock.bridges.agentos import AgentOS
from interlock.database import Database, open_database
from interlock.definitions.checking import ScriptCheck, faults_of
from interlock.definitions.code import CodeDefinitions
from interlock.definitions.every import EveryDefinition
from interlock.definitions.folder import InFile, definitions_in, publish_all
from interlock.definitions.kinds import compiled
from interlock.definitions.office import office_of
from interlock.definitions.stored import StoredDefinitions
from interlock.engine.clock import Clock
from interlock.engine.engine import Engine
from interlock.engine.upkeep.files import clear_regularly
from interlock.engine.upkeep.outbox import Hook, Listener, OnPause
from interlock.engine.upkeep.purge import purge_regularly
from interlock.engine.upkeep.retention import Retention
from interlock.engine.work.connecting import Connecting
from interlock.engine.work.http_call import HttpCalls
from interlock.engine.work.integrations import Integrations
from interlock.engine.work.logic import LogicRunners, TextWriter
from interlock.engine.work.people import groups_of
from interlock.engine.work.script import Scripts
from interlock.engine.work.tasks import Prompter
from interlock.files.objects import open_objects
from interlock.files.port import Objects
from interlock.following.drafts import Drafts
from interlock.following.feed import Feed
from interlock.following.hub import Hub
from interlock.following.presence import Presence
from interlock.following.sights import Sights
from interlock.http.api import answer_errors, make_router
from interlock.http.app_session import make_app_session_router
from interlock.http.connecting import make_connecting_router
from interlock.http.connecting import redirect_uri as connected_at
from interlock.http.cors import Cors
from interlock.http.executions import make_executions_router
from interlock.http.identity_provider import identity_provider
from interlock.http.login import make_login_router
from interlock.http.methods import Heads
from interlock.http.metrics import Metrics
from interlock.http.openapi import describe
from interlock.http.operations import make_operations_router
from interlock.http.projects.app import projects_route
from interlock.http.readiness import Readiness
from interlock.http.reference import reference_routes
from interlock.http.runs import make_runs_router
from interlock.http.sse import Streams
from interlock.http.tickets import make_tickets_router
from interlock.http.v1.app import v1_route
from interlock.http.web import web_routes
from interlock.http.widgets import widget_routes
from interlock.identity.identity import Identity
from interlock.interactions.agents import Agent, Agents
from interlock.interactions.host import EngineHost
from interlock.interactions.inside import Inside
from interlock.interactions.workflow import interactions_workflow
from interlock.log.port import Log
from interlock.log.redis import RedisLog
from interlock.log.sql import SqlArchive, SqlLog
from interlock.log.topics import NobodyElse, Topics
from interlock.notices.service import Notices
from interlock.outgoing.channels import channels_in
from interlock.outgoing.guarded import Guard, GuardedTransport, Resolver
from interlock.outgoing.notifier import Notifier
from interlock.outgoing.posting import Poster
from interlock.ratelimit.limiter import OFF, Budget, RateLimits
from interlock.ratelimit.shared import shared_windows
from interlock.secrets.environment import EnvironmentSecrets
from interlock.secrets.every import EverySecret
from interlock.secrets.integrations import KeptIntegrations
from interlock.secrets.kept import Keeper
from interlock.secrets.keys import vault_of, vault_to_keep
from interlock.secrets.known import Known
from interlock.secrets.rules import fences_in
from interlock.secrets.stored import StoredSecrets
from interlock.secrets.vault import KeyedVault
from interlock.services import Services
from interlock.settings import Settings
from interlock.socket.endpoint import SOCKET_PATH, SocketEndpoint
from interlock.store.migrate import check_current, migrate
from interlock.store.ports.webhooks import LISTENING_SECONDS
from interlock.store.sql import SqlStore
from interlock.tasks.registry import task_types
from interlock.telemetry.counters import Counters, counted
from interlock.webhooks.keys import SigningKeys
from interlock.webhooks.lanes import Ports, Room
from interlock.webhooks.relay import Relay
from interlock.webhooks.schedule import Schedule
from interlock.webhooks.sending import Sender
from interlock.webhooks.service import WebhookService
from interlock.widgets.bundles import bundles_in, keep_all
from interlock.workflow.declare.errors import MissingExtra
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.program import REDUCER_VERSION, Lifetimes

TIDY_SECONDS = 2.0
"""How often the store is compared with the log, and logs that may be archived are looked for."""

NOTICE_SECONDS = 5.0
"""How often unreported pauses of other processes are looked for; those of this process are reported at once."""

RETENTION_SECONDS = 24 * 60 * 60.0
"""How often logs beyond their retention are looked for."""

TIMER_SECONDS = 0.25
"""How often timeouts are checked; they fire within a second of their time."""

FEED_SECONDS = 0.5
"""How often changes of runs by other servers are looked for, while a client follows a list."""

SIGHT_SECONDS = 1.0
"""How often it is written to whom questions were sent."""

PRESENCE_SECONDS = 30.0
"""How often a node says again to the others who looks at what there."""

PUBLICATION_SECONDS = 0.5
"""How often definitions that other servers published are looked for."""

DIRECTORY_SECONDS = 0.5
"""How often changes of the directory by other servers are looked for."""

WEBHOOK_SECONDS = 1.0
"""How often due deliveries of webhooks are looked for; those that this process has written are sent at once."""

CHORES_SECONDS = 600.0
"""How often expired data is deleted: idempotency keys after 24 hours, changes of runs after 7 days."""

SWEEP_SECONDS = 0.5
"""How often leases are renewed, and runs without an owner looked for."""


class Interlock:
    """One server's parts, from start to stop."""

    def __init__(
        self,
        workflows: Sequence[Workflow],
        settings: Settings,
        authenticator: Authenticator,
        *,
        clock: Clock | None = None,
        on_pause: OnPause | None = None,
        widgets: Mapping[str, Path | str] | None = None,
        agents: Mapping[str, Agent] | None = None,
    ) -> None:
        self._office = office_of(settings.business_hours, settings.business_timezone, settings.business_calendar)
        self._code = CodeDefinitions(workflows, [interactions_workflow(self._host)], self._office)
        self._vault = vault_of(settings, self._code.first_with_secrets)
        self._environment = EnvironmentSecrets(os.environ, fences_in(settings.secrets_rules or "{}"))
        self.known = Known()
        self.known.learn(self._environment.values)
        self._clock = clock or Clock()
        self._on_pause = on_pause
        self._widgets = widgets or {}
        self._agents = [Agents(agents, self._host)] if agents else []
        self._types = task_types()
        self.settings = settings
        self._authenticator = authenticator
        self._services: Services | None = None
        self._relay: Relay | None = None
        self._stack = AsyncExitStack()
        self.sockets = SocketEndpoint(self.services, settings)
        self.streams = Streams(settings)
        self.node = f"node-{uuid.uuid4().hex}"
        self.counters = Counters()
        self.readiness = Readiness(self.services)
        self.metrics = Metrics(self.services, self.counters, self.sockets, self.streams, self.readiness)

    def services(self) -> Services:
        """The parts of a started server."""
        if self._services is None:
            raise RuntimeError("the server hasn't started; run the application with its lifespan")
        return self._services

    def _host(self) -> EngineHost:
        """What interactions work with."""
        services = self.services()
        return EngineHost(services.engine, services.store)

    async def start(self) -> None:
        """Open the database and the log, publish definitions in files, and take over interrupted runs.

        Raises:
            SettingsError: a file of definitions, or of a widget, has faults.
        """
        try:
            scripts = Scripts()
            self._stack.push_async_callback(scripts.aclose)
            in_files = await self._definitions_in_files(scripts.check)
            bundles = bundles_in(self.settings.widgets, self._widgets, self._clock.now_ms())
            database = open_database(self.settings.database_url)
            self._stack.push_async_callback(database.close)
            await _schema(database)
            store = SqlStore(database, clock=self._clock.now_ms)
            opened = await self._open_log(database)
            log = counted(opened, self.counters)
            topics: Topics = opened.topics if isinstance(opened, RedisLog) else NobodyElse()
            vault = cache(partial(vault_to_keep, self.settings))
            keeper = Keeper(store, vault, self.known)
            integrations = Integrations(KeptIntegrations(keeper), GuardedTransport(Allowed(self.settings.http_allow)))
            stored = StoredDefinitions(store, partial(compiled, types=self._types), self._office)
            definitions = EveryDefinition(self._code, stored)
            notices = self._notices(store)
            if self.settings.notifiers_templates is not None:
                await notices.read_templates()
            engine = self._engine(definitions, log, store, notices, self._runners(scripts, keeper, integrations))
            limits = await self._open_limits()
            hub = Hub(log, engine.runs.suspect, self.counters)
            feed = Feed(store)
            identity = Identity(
                store,
                vault,
                self.settings.public_url,
                self._authenticator,
                engine.clock.now_ms,
                identity_provider(self.settings),
            )
            self._stack.callback(identity.close)
            await identity.start()
            objects = self._open_objects()
            webhooks, relay = self._webhooks(engine, store, vault, identity, limits)
            sights = Sights(store, engine.clock.now_ms, notes_seen=self.settings.presence)
            self._keep(sights.run(SIGHT_SECONDS), "sights")
            presence = Presence(topics, self.node, time.monotonic, is_on=self.settings.presence)
            self._keep(presence.run(PRESENCE_SECONDS), "presence")
            self._services = Services(
                engine,
                definitions,
                hub,
                feed,
                store,
                sights,
                presence,
                Drafts(store, topics, engine.clock.now_ms),
                identity.directory,
                limits,
                identity,
                StoredSecrets(keeper, self._environment),
                integrations,
                Connecting(integrations, vault, connected_at(self.settings)),
                objects,
                webhooks,
                notices,
                self._types,
                scripts.check,
                self.base_url,
            )
            self._stack.push_async_callback(engine.stop, self.settings.shutdown_grace_seconds)
            self._keep(relay.run(WEBHOOK_SECONDS), "webhooks")
            self._relay = relay
            await engine.timers.sync()
            await publish_all(store, in_files, engine.clock.now_ms())
            await keep_all(store, bundles)
            await engine.takeover.resume()
            self._keep_up(engine, store, log, feed, stored, identity, objects, notices)
        except BaseException:
            await self._stack.aclose()
            raise

    def _engine(
        self, definitions: EveryDefinition, log: Log, store: SqlStore, notices: Notices, logic: LogicRunners
    ) -> Engine:
        listeners: list[Listener] = [*notices.listeners(), *self._agents]
        if self._on_pause is not None:
            listeners.append(Hook(self._on_pause))
        return Engine(
            definitions,
            log,
            store,
            owner=self.node,
            max_concurrent=self.settings.max_concurrent_runs,
            max_log_events=self.settings.max_log_events,
            lifetimes=Lifetimes.in_days(self.settings.instance_running_days, self.settings.instance_halted_days),
            most_instances=self.settings.max_active_instances,
            clock=self._clock,
            is_alone=self.settings.redis_url is None,
            listeners=listeners,
            counters=self.counters,
            vault=self._vault,
            logic=logic,
            groups=groups_of(principals_of(self._authenticator)),
            base_url=self.base_url,
            asks=Inside(self._host).request,
            has_absences=True,
        )

    @property
    def base_url(self) -> str:
        """Where people reach this server, as far as is known."""
        return self.settings.public_url or f"http://{self.settings.host}:{self.settings.port}"

    def _notices(self, store: SqlStore) -> Notices:
        said = self.settings.notifiers
        channels = {} if said is None else channels_in(said.get_secret_value())
        notifier = Notifier(Allowed(self.settings.notifiers_allow))
        self._stack.push_async_callback(notifier.aclose)
        return Notices(
            store,
            channels,
            notifier,
            templates=self.settings.notifiers_templates,
            strike=self.known.strike,
            clock=self._clock.now_ms,
            counters=self.counters,
            home=self.base_url,
        )

    def _open_objects(self) -> Objects:
        settings = self.settings
        return open_objects(settings.files_url, settings.data_dir / "files", is_alone=settings.redis_url is None)

    def _webhooks(
        self, engine: Engine, store: SqlStore, vault: Callable[[], KeyedVault], identity: Identity, limits: RateLimits
    ) -> tuple[WebhookService, Relay]:
        """Make what manages webhooks, and what delivers them."""
        guard = Guard(Allowed(self.settings.webhook_allow), Resolver(), "INTERLOCK_WEBHOOK_ALLOW")
        keys, clock = SigningKeys(vault, self.known), engine.clock.now_ms
        ports = Ports(
            store=store,
            clock=clock,
            schedule=Schedule([round(1000 * each) for each in self.settings.webhook_retries]),
            sender=Sender(self.known, engine.traces.headers, clock),
            keys=keys,
            standing=identity.directory.standing,
            pace=limits.send_event,
            counters=self.counters,
            room=Room(),
        )
        relay = Relay(ports, lambda: Poster(guard))
        engine.on_milestones(relay.poke)
        learn = partial(_all_know, engine.look_who_listens, is_alone=self.settings.redis_url is None)
        return WebhookService(store, keys, guard, clock, relay.poke, learn), relay

    def _keep_up(
        self,
        engine: Engine,
        store: SqlStore,
        log: Log,
        feed: Feed,
        stored: StoredDefinitions,
        identity: Identity,
        objects: Objects,
        notices: Notices,
    ) -> None:
        """Begin what a server does by itself, as long as it runs."""
        self._keep(engine.takeover.renew(SWEEP_SECONDS), "renew")
        self._keep(engine.takeover.run(SWEEP_SECONDS), "takeover")
        self._keep(engine.takeover.tidy(TIDY_SECONDS), "tidy")
        self._keep(engine.timers.run(TIMER_SECONDS), "timers")
        self._keep(feed.run(FEED_SECONDS), "feed")
        self._keep(stored.run(PUBLICATION_SECONDS), "publications")
        self._keep(identity.directory.run(DIRECTORY_SECONDS), "directory")
        self._keep(identity.keys.run(CHORES_SECONDS), "signing keys")
        self._keep(purge_regularly(store, CHORES_SECONDS), "chores")
        self._keep(clear_regularly(store, objects, CHORES_SECONDS), "files")
        if self.settings.keep_logs_days is not None:
            retention = Retention(log, store, engine.clock, self.settings.keep_logs_days)
            self._keep(retention.run(RETENTION_SECONDS), "retention")
        if engine.relay is not None:
            self._keep(engine.relay.run(NOTICE_SECONDS), "notices")
        if notices.channels:
            self._keep(notices.check(), "notifiers")

    def _runners(self, scripts: Scripts, keeper: Keeper, integrations: Integrations) -> LogicRunners:
        calls = HttpCalls(counters=self.counters, transport=integrations.transport)
        secrets = EverySecret(keeper, self._environment)
        writer, prompter = _by_models(self.settings.ai_model)
        return LogicRunners(scripts, calls, secrets, writer, integrations, self._types, prompter)

    async def _definitions_in_files(self, check_script: ScriptCheck) -> Sequence[InFile]:
        if self.settings.definitions is None:
            return ()
        check = partial(faults_of, check_script=check_script, types=self._types)
        return await definitions_in(self.settings.definitions, check, self._code.is_in_code)

    async def _open_log(self, database: Database) -> Log:
        log: Log
        if self.settings.redis_url is None:
            log = SqlLog(database, reducer=REDUCER_VERSION)
        else:
            log = RedisLog(
                self.settings.redis_url,
                SqlArchive(database),
                allow_volatile=self.settings.allow_volatile_redis,
                reducer=REDUCER_VERSION,
            )
        self._stack.push_async_callback(log.close)
        await log.start()
        return log

    async def _open_limits(self) -> RateLimits:
        """Open the limits of users and connections; if there are several nodes, of users on all nodes together."""
        settings = self.settings
        redis_url, per_user = settings.redis_url, settings.rate_limit_per_user
        budgets = {
            Budget.READS: settings.limit_reads,
            Budget.WRITES: settings.limit_writes,
            Budget.CREATIONS: settings.limit_creations,
            Budget.SESSIONS: settings.limit_sessions,
        }
        shared = None
        sign_ins, webhooks = settings.limit_sign_ins, settings.limit_webhooks
        if redis_url is not None and {per_user, sign_ins, webhooks, *budgets.values()} != {OFF}:
            shared = await self._stack.enter_async_context(shared_windows(redis_url))
        return RateLimits(per_user, settings.rate_limit_per_connection, shared, budgets, sign_ins, webhooks)

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a coroutine for as long as the server runs."""
        task = asyncio.create_task(work, name=name)

        self._stack.push_async_callback(end, (task,))

    async def drain(self) -> None:
        """Refuse further work, end sockets and streams, which would go on forever, and stop driving runs.

        Meanwhile the server isn't ready. Idempotent.
        """
        self.readiness.drain()
        await asyncio.gather(self.sockets.drain(), self.streams.drain())
        if self._services is not None and self._relay is not None:
            grace = self.settings.shutdown_grace_seconds
            await asyncio.gather(self._services.engine.stop(grace), self._relay.stop(grace))

    async def stop(self) -> None:
        """Close the sockets and streams, stop driving runs, and close what was opened."""
        await self.drain()
        await self._stack.aclose()


def create_app(
    workflows: Sequence[Workflow] | Workflow,
    settings: Settings | None = None,
    *,
    on_pause: OnPause | None = None,
    widgets: Mapping[str, Path | str] | None = None,
    agents: Mapping[str, Agent] | None = None,
) -> FastAPI:
    """Make the ASGI application that serves these workflows, to run or to mount elsewhere.

    Args:
        workflows: one workflow, or several with different ids; none for a server that only has stored definitions.
        settings: from the environment by default.
        on_pause: called with a `PauseNotice` for each pause, so that people who are waited for learn of it without
            following a socket; called once, and after a crash at least once.
        widgets: the files of bundles for widgets, by their names; see `docs/widgets.md`.
        agents: what responds to interactions that name it, by user ids; see `docs/interactions.md`.

    Raises:
        SettingsError: settings are invalid, a server that others can reach has no authentication, a form asks for a
            secret and several nodes have no key for it, or a secret in the environment can't be used.
        ValueError: two workflows have the same id.
    """
    settings = settings or Settings()
    authenticator, _ = authenticator_from(settings)
    interlock = Interlock(listed(workflows), settings, authenticator, on_pause=on_pause, widgets=widgets, agents=agents)
    return app_of(interlock)


class _Application(FastAPI):
    """The routes, and around all of them, including errors, the additions for browsers and HTTP."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(**options)
        self._settings = settings

    def build_middleware_stack(self) -> ASGIApp:
        return Cors(Heads(super().build_middleware_stack()), self._settings)


def app_of(interlock: Interlock) -> FastAPI:
    """The ASGI application of one server; its lifespan starts and stops the server."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await interlock.start()
        try:
            yield
        finally:
            await interlock.stop()

    app = _Application(interlock.settings, title="Interlock", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.router.routes.append(WebSocketRoute(SOCKET_PATH, interlock.sockets))
    app.include_router(
        make_operations_router(interlock.services, interlock.settings, interlock.readiness, interlock.metrics)
    )
    app.include_router(make_router(interlock.services))
    app.include_router(make_runs_router(interlock.services, interlock.streams))
    app.include_router(make_executions_router(interlock.services, interlock.streams))
    app.include_router(make_tickets_router(interlock.services, interlock.settings))
    app.include_router(make_login_router(interlock.services, interlock.settings))
    app.router.routes.append(
        v1_route(interlock.services, interlock.streams, interlock.counters, interlock.settings.public_url)
    )
    app.router.routes.append(
        projects_route(interlock.services, interlock.streams, interlock.counters, interlock.settings.public_url)
    )
    app.router.routes.extend(reference_routes())
    app.router.routes.extend(widget_routes(interlock.services, interlock.settings.public_url))
    app.include_router(make_connecting_router(interlock.services, interlock.settings))
    if interlock.settings.web_app:
        app.include_router(make_app_session_router(interlock.services, interlock.settings))
        app.router.routes.extend(web_routes())
    if interlock.settings.agentos != "off":
        token = local_token(interlock.settings.data_dir) if interlock.settings.agentos_open else None
        app.add_middleware(AgentOS, interlock.settings, interlock.services, token)
    answer_errors(app, interlock.counters)
    describe(app, interlock.settings.public_url)
    return app


async def _all_know(look: Callable[[], None], *, is_alone: bool) -> None:
    """Return when every node has learnt which accounts have subscriptions."""
    look()
    if not is_alone:
        await asyncio.sleep(1.25 * LISTENING_SECONDS)


def _by_models(model: str | None) -> tuple[TextWriter | None, Prompter | None]:
    """Return what has models write texts, and what answers prompts, if Pydantic AI is installed.

    Raises:
        MissingExtra: it isn't, and a model is set.
    """
    try:
        from interlock.agents.instructions import PydanticWriter
        from interlock.agents.prompting import PydanticPrompter
    except MissingExtra:
        if model is not None:
            raise
        return None, None
    return PydanticWriter(model), PydanticPrompter(model)


async def _schema(database: Database) -> None:
    """Check the tables: SQLite is migrated at start; PostgreSQL is migrated by command, and only checked here."""
    if database.dialect == "sqlite":
        await migrate(database)
    else:
        await check_current(database)


def listed(workflows: Sequence[Workflow] | Workflow) -> Sequence[Workflow]:
    """Return a single workflow as a list of one."""
    return [workflows] if isinstance(workflows, Workflow) else list(workflows)
