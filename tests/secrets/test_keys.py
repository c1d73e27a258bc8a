"""Where a server's keys come from, and when it needs any."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from interlock import Ask, Confirm, Step, UserInputField, Workflow
from interlock.app import create_app
from interlock.errors import SettingsError
from interlock.process.redaction import Redactor
from interlock.secrets.keys import KEY_FILE, vault_of
from interlock.secrets.vault import new_key
from interlock.settings import Settings

PLAIN = Workflow("plain", steps=[Step("s", str, human_review=Confirm("?"))])
INNER = Workflow("inner", steps=[Step("ask", str, human_review=Ask([UserInputField("password", secret=True)]))])
ASKING = Workflow("asking", steps=[Step("nested", workflow=INNER)])


def settings(folder: Path, **values: Any) -> Settings:
    return Settings(data_dir=folder, **values)


def test_key_is_made_up_where_a_secret_is_asked_for_and_kept(tmp_path: Path) -> None:
    assert vault_of(settings(tmp_path), None) is None
    assert not (tmp_path / KEY_FILE).exists()
    first = vault_of(settings(tmp_path), ASKING.id)
    assert first is not None
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    again = vault_of(settings(tmp_path), None)
    assert again is not None
    assert again.opened(first.seal("hunter-2", "x")["value"], "x") == "hunter-2"


def test_several_nodes_need_the_same_key_and_are_told(tmp_path: Path) -> None:
    redis = {"redis_url": "redis://localhost"}
    assert vault_of(settings(tmp_path, **redis), None) is None
    with pytest.raises(SettingsError, match=r"'asking'.*INTERLOCK_SECRETS_KEYS.*openssl"):
        vault_of(settings(tmp_path, **redis), ASKING.id)
    with pytest.raises(SettingsError, match="INTERLOCK_SECRETS_KEYS"):
        create_app(ASKING, settings(tmp_path, **redis))
    assert vault_of(settings(tmp_path, secrets_keys=new_key(), **redis), ASKING.id) is not None


def test_first_of_the_given_keys_seals_and_all_open(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    before = vault_of(settings(tmp_path, secrets_keys=old), ASKING.id)
    after = vault_of(settings(tmp_path, secrets_keys=f"{new}, {old}"), ASKING.id)
    assert before is not None
    assert after is not None
    assert after.opened(before.seal("hunter-2", "x")["value"], "x") == "hunter-2"
    assert not (tmp_path / KEY_FILE).exists()


@pytest.mark.parametrize("keys", ["short", ",", f"{'A' * 43}=,x"])
def test_what_is_no_key_is_refused_and_not_repeated(tmp_path: Path, keys: str) -> None:
    with pytest.raises(SettingsError, match="INTERLOCK_SECRETS_KEYS") as refused:
        settings(tmp_path, secrets_keys=keys)
    assert keys == "," or keys not in str(refused.value)


def test_file_that_has_no_key_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("something else\n")
    with pytest.raises(SettingsError, match=KEY_FILE):
        vault_of(settings(tmp_path), ASKING.id)


def test_keys_are_struck_out_of_log_lines(tmp_path: Path) -> None:
    key = new_key()
    assert key not in Redactor.of(settings(tmp_path, secrets_keys=key))(f"the key is {key}")
