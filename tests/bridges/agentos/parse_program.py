"""Reads events, one a line, with the peer's own parser: `parse_program.py FILE`; prints what each was read as."""

import json
import sys
from pathlib import Path

from agno.run.workflow import (  # type: ignore[import-not-found, unused-ignore]
    workflow_run_output_event_from_dict,
)

read = []
for line in Path(sys.argv[1]).read_text().splitlines():
    data = json.loads(line)
    event = workflow_run_output_event_from_dict(dict(data))
    # Older lines of the peer have no place for the index: it is in what came.
    read.append([event.event, getattr(event, "event_index", None) or data["event_index"]])
print(json.dumps(read))
