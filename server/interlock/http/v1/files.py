"""The routes of files: what people give for the `file` fields of forms."""

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import Response

from interlock.auth import Principal, Verb
from interlock.http.shapes import Answers
from interlock.http.v1.answers import BODY, COMMON, answer, answers, failures
from interlock.http.v1.callers import caller
from interlock.http.v1.errors import Code
from interlock.http.v1.file_shapes import UPLOAD, FileShape, file_of
from interlock.http.v1.file_work import FileWork
from interlock.ratelimit.limiter import Budget
from interlock.services import Services
from interlock_protocol.messages import Name

_FILE: Final = (Code.FILE_NOT_FOUND,)
_BYTES: Final = {"schema": {"type": "string", "format": "binary"}}
_HEADERS: Final = {
    "Content-Disposition": {"schema": {"type": "string"}, "description": "an attachment, with the file's name"}
}
_CONTENT: Final[Answers] = {
    200: {
        "description": "The content, in the type that it has.",
        "content": dict.fromkeys(("application/octet-stream", "*/*"), _BYTES),
        "headers": _HEADERS,
    },
    206: {
        "description": "The part of it that `Range` asks for.",
        "content": dict.fromkeys(("application/octet-stream", "*/*"), _BYTES),
        "headers": {**_HEADERS, "Content-Range": {"schema": {"type": "string"}, "description": "which part it is"}},
    },
    **failures(*COMMON, *_FILE, Code.RANGE_NOT_SATISFIABLE),
}
_DELETED: Final[Answers] = {
    204: {"description": "It is gone."},
    **failures(*COMMON, *_FILE, Code.FILE_IN_USE),
}


RangeHeader = Annotated[str | None, Header(alias="Range", description="one range of bytes, such as `bytes=0-1023`")]


def make_files_router(services: Callable[[], Services]) -> APIRouter:
    """Make the routes, on the services of a started server."""
    router = APIRouter(tags=["files"])
    work = FileWork(services)
    reader = Annotated[Principal, Depends(caller(services, Verb.READ_FILES, Budget.READS))]
    writer = Annotated[Principal, Depends(caller(services, Verb.WRITE_FILES, Budget.WRITES))]
    uploader = Annotated[Principal, Depends(caller(services, Verb.WRITE_FILES, Budget.WRITES, keeps=False))]

    @router.post(
        "/files",
        operation_id="uploadFile",
        status_code=201,
        responses=answers(FileShape, *BODY, Code.FILE_QUOTA_EXCEEDED, status=201),
        openapi_extra=UPLOAD,
    )
    async def upload(request: Request, principal: uploader) -> Response:
        """Upload a file of at most 10 MB, as the one part `file`. Unused, it goes after a day."""
        return answer(file_of(await work.upload(request, principal)), 201)

    @router.get("/files/{file_id}", operation_id="downloadFile", responses=_CONTENT, response_class=Response)
    async def download(request: Request, principal: reader, file_id: Name, part: RangeHeader = None) -> Response:
        """The content of a file, or one range of it, to be saved and never shown."""
        return await work.download(request, await work.seen(principal, file_id))

    @router.get("/files/{file_id}/info", operation_id="getFile", responses=answers(FileShape, *_FILE))
    async def info(principal: reader, file_id: Name) -> Response:
        """What is known of a file."""
        return answer(file_of(await work.seen(principal, file_id)))

    @router.delete("/files/{file_id}", operation_id="deleteFile", status_code=204, responses=_DELETED)
    async def delete(principal: writer, file_id: Name) -> Response:
        """Delete a file of one's own that no run uses."""
        await work.delete(principal, file_id)
        return Response(status_code=204)

    return router
