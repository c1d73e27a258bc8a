"""What object storages promise: a folder, and S3 by the server of moto."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from interlock.files.objects import FolderObjects, StoredObjects, open_objects
from interlock.files.port import Objects, ObjectsUnavailable

LARGE = 11 * 1024 * 1024


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The URL of a bucket, with the variables that tell where it is."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    about = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-central-1"}
    url = f"http://{host}:{port}"
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**about, "AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true"}.items():
                patch.setenv(name, value)
            boto3.client("s3", region_name="us-east-1", endpoint_url=url).create_bucket(Bucket="files")
            yield "s3://files/some/prefix"
    finally:
        server.stop()


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    url = request.getfixturevalue("s3") if request.param == "s3" else None
    return open_objects(url, tmp_path / "files", is_alone=True)


async def pieces(size: int, *, fails: bool = False) -> AsyncIterator[bytes]:
    for begin in range(0, size, 65536):
        yield bytes([begin // 65536 % 256]) * min(65536, size - begin)
    if fails:
        raise KeyError("the upload broke off")


async def read(objects: Objects, key: str) -> bytes | None:
    found = await objects.get(key)
    return None if found is None else b"".join([piece async for piece in found])


@pytest.mark.parametrize("size", [0, 1, LARGE])
async def test_object_is_read_as_it_was_written(objects: Objects, size: int) -> None:
    await objects.put("file_1", pieces(size))
    assert await read(objects, "file_1") == b"".join([piece async for piece in pieces(size)])
    await objects.delete("file_1")
    assert await read(objects, "file_1") is None
    await objects.delete("file_1")


@pytest.mark.parametrize("size", [1, LARGE])
async def test_what_breaks_off_is_not_written_and_raises_what_broke_it(objects: Objects, size: int) -> None:
    with pytest.raises(KeyError, match="broke off"):
        await objects.put("file_2", pieces(size, fails=True))
    assert await read(objects, "file_2") is None


async def test_folder_is_made_when_it_is_needed_and_is_its_users_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "files"
    objects = open_objects(None, folder, is_alone=True)
    assert not folder.exists()
    await objects.put("file_1", pieces(1))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_what_a_crash_left_of_a_write_goes_with_the_object(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path)
    (tmp_path / "file_1#1").write_bytes(b"half")
    (tmp_path / "file_10#1").write_bytes(b"another's")
    await objects.delete("file_1")
    assert not (tmp_path / "file_1#1").exists()
    assert (tmp_path / "file_10#1").exists()


async def test_url_of_a_folder_is_that_folder(tmp_path: Path) -> None:
    objects = open_objects((tmp_path / "with space").as_uri(), Path("unused"), is_alone=False)
    await objects.put("file_1", pieces(1))
    assert (tmp_path / "with space" / "file_1").read_bytes() == b"\0"


async def test_nodes_without_a_common_storage_say_what_to_set(tmp_path: Path) -> None:
    objects = open_objects(None, tmp_path, is_alone=False)
    for work in (objects.put("x", pieces(1)), objects.get("x")):
        with pytest.raises(ObjectsUnavailable, match="INTERLOCK_FILES_URL"):
            await work


async def test_storage_that_is_away_is_told_as_such_and_names_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "hunter2",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    objects = StoredObjects("s3://files")
    async with asyncio.timeout(60):
        with pytest.raises(ObjectsUnavailable) as told:
            await objects.get("file_1")
    assert "hunter2" not in str(told.value)
