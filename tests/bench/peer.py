"""The peer's own environment, which is made where there is none, or another one."""

import sys
from pathlib import Path

from tests.bench.facts import output_of

VENV = Path(__file__).resolve().parents[2] / ".venv-peer"
REQUIREMENTS = ("agno[os]", "sqlalchemy", "uvloop", "websockets")


def python() -> Path:
    """The interpreter of the environment."""
    interpreter, installed = VENV / "bin" / "python", VENV / ".installed"
    wanted = " ".join(REQUIREMENTS)
    if not installed.exists() or installed.read_text() != wanted:
        print(f"Installing the peer into {VENV.name}, once …", flush=True)
        output_of(sys.executable, "-m", "venv", "--clear", VENV)
        output_of(interpreter, "-m", "pip", "install", *REQUIREMENTS)
        installed.write_text(wanted)
    return interpreter


def about() -> str:
    """What exactly the peer is."""
    names = ("agno", "uvicorn", "starlette", "sqlalchemy")
    code = f"from importlib.metadata import version; print(*(version(n) for n in {names!r}))"
    agno, uvicorn, starlette, sqlalchemy = output_of(python(), "-c", code).split()
    return f"Agno {agno} (AgentOS, SqliteDb), uvicorn {uvicorn}, Starlette {starlette}, SQLAlchemy {sqlalchemy}"
