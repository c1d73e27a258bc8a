"""`interlock doctor`: on real stores, well and unwell."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
from tests.cli.conftest import Cli
from tests.cli.test_migrate import empty_postgres
from tests.cli.test_starting import execute, guarded
from tests.support.live import TOKENS, Live
from tests.support.services import free_master, free_port, redis_cluster, redis_server

from interlock.cli.checks import _skew, examine

__all__ = ["empty_postgres", "guarded"]

Findings = dict[str, list[tuple[str, str, str]]]


def findings(done: subprocess.CompletedProcess[str], code: int) -> Findings:
    """What was found, by check: verdict, sentence, advice."""
    assert (done.returncode, done.stderr) == (code, ""), done.stdout
    assert "s3cret" not in done.stdout
    said: dict[str, Any] = json.loads(done.stdout)
    assert said["ok"] is (code == 0)
    found: Findings = {}
    for each in said["findings"]:
        assert each["advice"] or each["verdict"] == "ok", each
        found.setdefault(each["check"], []).append((each["verdict"], each["found"], each["advice"]))
    return found


def verdicts(found: Findings) -> dict[str, set[str]]:
    return {check: {verdict for verdict, _, _ in each} for check, each in found.items()}


@pytest.fixture
def port() -> str:
    return str(free_port())


def test_empty_folder_is_fine_and_stays_empty(cli: Cli, tmp_path: Path, port: str) -> None:
    found = findings(cli("doctor", "--json", INTERLOCK_PORT=port), 0)
    assert set().union(*verdicts(found).values()) == {"ok"}
    assert "the first start makes it" in found["database"][0][1]
    assert list(tmp_path.iterdir()) == []


def test_table_says_what_to_do(cli: Cli, port: str) -> None:
    done = cli("doctor", INTERLOCK_PORT=port, INTERLOCK_REDIS_URL="redis://:s3cret@127.0.0.1:1/0")
    assert done.returncode == 1
    assert "s3cret" not in done.stdout
    assert "→ Check INTERLOCK_REDIS_URL" in done.stdout


def test_settings_that_can_t_be_used_are_all_told(cli: Cli) -> None:
    done = cli("doctor", "--json", INTERLOCK_PORT="s3cret", INTERLOCK_LOG_LEVEL="s3cret")
    sentences = [sentence for _, sentence, _ in findings(done, 1)["settings"]]
    assert [sentence.split()[0] for sentence in sentences] == ["INTERLOCK_PORT", "INTERLOCK_LOG_LEVEL"]


def test_misspelt_variable_is_told_without_its_value(cli: Cli, port: str) -> None:
    found = findings(cli("doctor", "--json", INTERLOCK_PORT=port, INTERLOCK_TOKNES="s3cret"), 0)
    assert ("warn", "INTERLOCK_TOKNES is given, and isn't a setting.") in {each[:2] for each in found["settings"]}


def test_server_that_nothing_guards_fails(cli: Cli, port: str) -> None:
    found = findings(cli("doctor", "--json", INTERLOCK_PORT=port, INTERLOCK_HOST="0.0.0.0"), 1)
    assert verdicts(found)["authentication"] == {"fail"}
    guarded_by = {"INTERLOCK_HOST": "0.0.0.0", "INTERLOCK_TOKENS": json.dumps(TOKENS)}
    assert verdicts(findings(cli("doctor", "--json", INTERLOCK_PORT=port, **guarded_by), 0))["authentication"] == {"ok"}


def test_token_file_that_others_can_read_fails(cli: Cli, tmp_path: Path, port: str) -> None:
    token = tmp_path / ".interlock/token"
    token.parent.mkdir()
    token.write_text("s3cret-token\n")
    token.chmod(0o644)
    (each,) = findings(cli("doctor", "--json", INTERLOCK_PORT=port), 1)["token file"]
    assert "0644" in each[1]
    assert "chmod 600" in each[2]
    token.chmod(0o600)
    assert verdicts(findings(cli("doctor", "--json", INTERLOCK_PORT=port), 0))["token file"] == {"ok"}


def test_port_of_something_else_fails_and_that_of_a_running_interlock_does_not(cli: Cli, live: Live) -> None:
    data_dir = str(live.settings["data_dir"])
    found = findings(cli("doctor", "--json", INTERLOCK_PORT=str(live.port), INTERLOCK_DATA_DIR=data_dir), 0)
    assert "An Interlock listens" in found["port"][0][1]
    assert "in use by a server" in found["database"][0][1]
    with redis_server(data_dir=Path(data_dir) / "redis") as url:
        taken = url.rpartition(":")[2].partition("/")[0]
        assert verdicts(findings(cli("doctor", "--json", INTERLOCK_PORT=taken), 1))["port"] == {"fail"}


def test_file_that_a_server_left_is_checked_and_left_as_it_is(cli: Cli, tmp_path: Path, port: str) -> None:
    assert cli("migrate").returncode == 0
    before = (tmp_path / ".interlock/interlock.db").read_bytes()
    found = findings(cli("doctor", "--json", INTERLOCK_PORT=port), 0)
    assert {check: verdicts(found)[check] for check in ("database", "tables", "writing")} == {
        "database": {"ok"},
        "tables": {"ok"},
        "writing": {"ok"},
    }
    assert (tmp_path / ".interlock/interlock.db").read_bytes() == before


def test_both_stores_of_several_nodes_are_well(cli: Cli, empty_postgres: str, redis_url: str, port: str) -> None:
    variables = {"INTERLOCK_PORT": port, "INTERLOCK_DATABASE_URL": empty_postgres, "INTERLOCK_REDIS_URL": redis_url}
    found = findings(cli("doctor", "--json", **variables), 1)
    assert found["tables"][0][2] == "Run `interlock migrate`."
    assert cli("migrate", INTERLOCK_DATABASE_URL=empty_postgres).returncode == 0
    found = findings(cli("doctor", "--json", **variables), 0)
    assert set().union(*verdicts(found).values()) == {"ok"}
    checks = {"database", "tables", "writing", "database clock", "redis", "durability", "shards", "redis clock"}
    assert checks < set(found)
    asyncio.run(execute(empty_postgres, "UPDATE alembic_version SET version_num = '9999'"))
    assert findings(cli("doctor", "--json", **variables), 1)["tables"][0][2] == "Upgrade this Interlock."


def test_database_that_only_reads_fails(cli: Cli, empty_postgres: str, port: str) -> None:
    assert cli("migrate", INTERLOCK_DATABASE_URL=empty_postgres).returncode == 0
    name = empty_postgres.rpartition("/")[2]
    asyncio.run(execute(empty_postgres, f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    found = findings(cli("doctor", "--json", INTERLOCK_PORT=port, INTERLOCK_DATABASE_URL=empty_postgres), 1)
    assert verdicts(found)["writing"] == {"fail"}
    assert found["nodes"][0][0] == "warn", "PostgreSQL alone is for one node"


def test_wrong_credentials_fail_without_being_repeated(cli: Cli, guarded: str, port: str) -> None:
    url = f"postgresql://ada:s3cret@{guarded}/hers"
    (each,) = findings(cli("doctor", "--json", INTERLOCK_PORT=port, INTERLOCK_DATABASE_URL=url), 1)["database"]
    assert "password authentication failed" in each[1]


def test_redis_that_forgets_evicts_or_has_other_shards_fails(cli: Cli, tmp_path: Path, port: str) -> None:
    with redis_server(data_dir=tmp_path / "redis") as url, redis.Redis.from_url(url) as client:
        variables = {"INTERLOCK_PORT": port, "INTERLOCK_REDIS_URL": url}
        client.config_set("appendonly", "no")
        assert verdicts(findings(cli("doctor", "--json", **variables), 1))["durability"] == {"fail"}
        allowed = findings(cli("doctor", "--json", **variables, INTERLOCK_ALLOW_VOLATILE_REDIS="true"), 0)
        assert verdicts(allowed)["durability"] == {"warn"}
        client.config_set("appendonly", "yes")
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        assert "noeviction" in findings(cli("doctor", "--json", **variables), 1)["durability"][0][2]
        client.config_set("maxmemory-policy", "noeviction")
        client.set("interlock:{s0}:shards", 7)
        assert verdicts(findings(cli("doctor", "--json", **variables), 1))["shards"] == {"fail"}


async def test_cluster_is_checked_like_a_single_redis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    (tmp_path / "redis").mkdir()
    with redis_cluster([free_master()], data_dir=tmp_path / "redis") as url:
        monkeypatch.setenv("INTERLOCK_REDIS_URL", url)
        monkeypatch.setenv("INTERLOCK_PORT", port)
        monkeypatch.setenv("INTERLOCK_DATA_DIR", str(tmp_path / "data"))
        found = {each.check: each.verdict for each in await examine({})}
    assert found.keys() >= {"redis", "durability", "shards", "redis clock"}
    assert {found[check] for check in ("redis", "durability", "shards", "redis clock")} == {"ok"}


@pytest.mark.parametrize(
    ("there", "verdict", "says"),
    [(100.5, "ok", "agrees"), (101.9, "ok", "agrees"), (105.0, "warn", "4.0 s ahead"), (90.0, "warn", "10.0 s behind")],
)
def test_clock_that_disagrees_is_told(there: float, verdict: str, says: str) -> None:
    finding = _skew("clock", there, 100.0, 101.0)
    assert finding.verdict == verdict
    assert says in finding.found
