"""What the routes of files answer with."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from interlock.http.v1.times import shown
from interlock.store.port import StoredFile

UPLOAD: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary", "description": "at most 10 MB"}},
                }
            }
        },
    }
}
"""What the OpenAPI document says of an upload."""


class FileShape(BaseModel):
    """An uploaded file: what is given for a `file` field of a form is its id."""

    model_config = ConfigDict(title="File")

    id: str
    name: str = Field(description="as it was uploaded, without a folder and what misleads")
    size: int = Field(description="in bytes")
    content_type: str = Field(description="by its content")
    sha256: str = Field(description="of its content, in hexadecimal digits")
    created_at: str


def file_of(file: StoredFile) -> dict[str, Any]:
    """How a file is shown."""
    return {
        "id": file.file_id,
        "name": file.name,
        "size": file.size,
        "content_type": file.content_type,
        "sha256": file.sha256,
        "created_at": shown(file.created_at),
    }
