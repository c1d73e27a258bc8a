from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from interlock.auth.local_token import find_token, local_token
from interlock.errors import SettingsError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / ".interlock"


def test_a_token_is_made_and_only_its_owner_may_read_it(folder: Path) -> None:
    token = local_token(folder)
    assert len(token) >= 43
    assert (folder / "token").read_text() == token + "\n"
    assert mode(folder / "token") == 0o600
    assert mode(folder) == 0o700
    assert [entry.name for entry in folder.iterdir()] == ["token"]


def test_no_umask_makes_the_token_readable(folder: Path) -> None:
    before = os.umask(0)
    try:
        local_token(folder)
    finally:
        os.umask(before)
    assert mode(folder / "token") == 0o600


def test_a_token_survives_a_restart(folder: Path) -> None:
    assert local_token(folder) == local_token(folder)


def test_two_servers_have_two_tokens(tmp_path: Path) -> None:
    assert local_token(tmp_path / "a") != local_token(tmp_path / "b")


@pytest.mark.parametrize("content", ["", "\n", "  \n"])
def test_an_empty_file_is_replaced(folder: Path, content: str) -> None:
    folder.mkdir(parents=True)
    (folder / "token").write_text(content)
    token = local_token(folder)
    assert (folder / "token").read_text().strip() == token
    assert mode(folder / "token") == 0o600


@pytest.mark.parametrize("wrong", [0o644, 0o666, 0o640, 0o604])
def test_wrong_permissions_are_repaired(folder: Path, wrong: int) -> None:
    token = local_token(folder)
    (folder / "token").chmod(wrong)
    assert local_token(folder) == token
    assert mode(folder / "token") == 0o600


def test_a_stricter_permission_is_left_alone(folder: Path) -> None:
    local_token(folder)
    (folder / "token").chmod(0o400)
    local_token(folder)
    assert mode(folder / "token") == 0o400


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="INTERLOCK_DATA_DIR"):
        local_token(tmp_path / "file")


def test_a_token_that_is_a_folder_is_a_sentence(folder: Path) -> None:
    (folder / "token").mkdir(parents=True)
    with pytest.raises(SettingsError, match="INTERLOCK_TOKENS"):
        local_token(folder)
    assert find_token(folder, {}) is None


def test_a_token_that_is_no_text_is_a_sentence(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="isn't text"):
        local_token(folder)
    assert find_token(folder, {}) is None


def test_the_command_line_asks_the_environment_first(folder: Path) -> None:
    local_token(folder)
    assert find_token(folder, {"INTERLOCK_TOKEN": " mine\n", "INTERLOCK_TOKENS": "plain"}) == "mine"


def test_the_command_line_finds_the_servers_own_token(folder: Path) -> None:
    token = local_token(folder)
    assert find_token(folder, {"INTERLOCK_TOKENS": "plain"}) == token
    assert find_token(str(folder), {"INTERLOCK_TOKEN": ""}) == token


def test_the_command_line_falls_back_to_a_plain_token(folder: Path) -> None:
    assert find_token(folder, {"INTERLOCK_TOKENS": " plain "}) == "plain"


def test_the_command_line_takes_no_token_out_of_a_list(folder: Path) -> None:
    tokens = json.dumps([{"token": "x", "user_id": "ada"}])
    assert find_token(folder, {"INTERLOCK_TOKENS": tokens}) is None


def test_without_any_token_there_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INTERLOCK_TOKEN", raising=False)
    monkeypatch.delenv("INTERLOCK_TOKENS", raising=False)
    assert find_token(folder) is None
    assert not folder.exists()
