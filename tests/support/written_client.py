"""A client that openapi-python-client writes from an OpenAPI document."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def written_client(document: Any, folder: Path, name: str) -> ModuleType:
    """Write the client of a document into a folder, and import it under this name."""
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "settings.yml").write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", "openapi.json", "--meta", "none"]
    command += ["--output-path", name, "--config", "settings.yml", "--fail-on-warning"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


def operation(client: ModuleType, group: str, name: str) -> ModuleType:
    """One of its operations."""
    return importlib.import_module(f"{client.__name__}.api.{group}.{name}")
