"""The floor: what a bare Starlette endpoint does when it sends one frame, encoded beforehand, in a loop.

It answers as much of the wire as the client needs: the number of frames is the message of a start, or the run
id of a reconnect.

    python floor.py PORT
"""

import json
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

FRAME_BYTES = 250


def _frame() -> str:
    event = {"event": "RunResponseContentEvent", "event_index": 12345, "content": "delta ", "padding": ""}
    event["padding"] = "x" * (FRAME_BYTES - len(json.dumps(event)))
    return json.dumps(event)


FRAME = _frame()


async def endpoint(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text('{"event":"connected"}')
    async for text in websocket.iter_text():
        action = json.loads(text)
        count = action["run_id"] if action["action"] == "reconnect" else action["message"]
        for _ in range(int(count)):
            await websocket.send_text(FRAME)
        await websocket.send_text(json.dumps({"event": "WorkflowCompleted", "run_id": str(count)}))


app = Starlette(routes=[WebSocketRoute("/workflows/ws", endpoint)])


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        ws="websockets-sansio",
        log_level="warning",
    )
