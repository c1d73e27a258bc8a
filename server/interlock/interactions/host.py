"""What the steps of interactions work with: the store, and the engine."""

from __future__ import annotations

from interlock.engine.engine import Engine
from interlock.store.ports.interactions import Interactions, InteractionStatus, StoredInteraction
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.types import JsonObject


class EngineHost:
    """`Host` on the engine of a started server."""

    def __init__(self, engine: Engine, store: Interactions) -> None:
        self.engine = engine
        self.store = store

    async def keep(self, interaction: StoredInteraction) -> str | None:
        return await self.store.keep_interaction(interaction)

    async def end(self, run_id: str, status: InteractionStatus, result: JsonObject) -> None:
        await self.store.end_interaction(run_id, status, result, self.now_ms())

    async def tell(self, run_id: str, topic: str, payload: JsonObject, key: str) -> bool:
        try:
            await self.engine.tell(run_id, topic, payload, key)
        except Refusal as refusal:
            if refusal.code in (ErrorCode.RUN_FINISHED, ErrorCode.RUN_NOT_FOUND):
                return False
            raise
        return True

    def now_ms(self) -> int:
        return self.engine.clock.now_ms()
