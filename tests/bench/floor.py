"""The floor: what a bare Starlette endpoint does when it sends one frame, encoded beforehand, in a loop.

It answers as much of the wire as the client needs. The number of frames is the message of a start, or the run id of a
reconnect. A start of `broadcast` waits to be continued, and then sends to everybody who has come back to its run.

    python floor.py PORT
"""

import gc
import json
import signal
import sys
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

FRAME_BYTES = 250
BROADCAST = "broadcast"


def text_of(event: dict[str, Any]) -> str:
    return json.dumps(event, separators=(",", ":"))


def _frame() -> str:
    event = {"event": "RunResponseContentEvent", "event_index": 12345, "content": "delta ", "padding": ""}
    event["padding"] = "x" * (FRAME_BYTES - len(text_of(event)))
    return text_of(event)


FRAME = _frame()
audience: set[WebSocket] = set()


async def endpoint(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text('{"event":"connected"}')
    try:
        async for text in websocket.iter_text():
            await answer(websocket, json.loads(text))
    finally:
        audience.discard(websocket)


async def answer(websocket: WebSocket, message: dict[str, Any]) -> None:
    match message:
        case {"action": "start-workflow", "workflow_id": "broadcast", "message": count}:
            run = {"run_id": BROADCAST, "workflow_id": BROADCAST, "session_id": count, "step_requirements": []}
            await websocket.send_text(text_of({"event": "WorkflowRunOutput", **run}))
        case {"action": "continue-workflow", "session_id": count}:
            for _ in range(int(count)):
                for each in audience:
                    await each.send_text(FRAME)
            await complete(websocket, count)
        case {"action": "reconnect", "run_id": "broadcast"}:
            audience.add(websocket)
            await websocket.send_text('{"event":"subscribed"}')
        case {"action": "reconnect", "run_id": count} | {"action": "start-workflow", "message": count}:
            for _ in range(int(count)):
                await websocket.send_text(FRAME)
            await complete(websocket, count)


async def complete(websocket: WebSocket, run_id: str) -> None:
    await websocket.send_text(text_of({"event": "WorkflowCompleted", "run_id": run_id}))


app = Starlette(routes=[WebSocketRoute("/workflows/ws", endpoint)])


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, lambda *_: gc.collect())  # see memory.py
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        ws="websockets-sansio",
        log_level="warning",
    )
