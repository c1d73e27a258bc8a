"""What the server of `test_planted_secrets` serves: nothing in Python. Its spans are written to a file."""

from __future__ import annotations

import os
from pathlib import Path

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

workflows: list[object] = []

if "TESTS_SPANS" in os.environ:
    provider = TracerProvider()
    spans = Path(os.environ["TESTS_SPANS"]).open("a")  # noqa: SIM115 - for as long as the process lives
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=spans)))
    trace.set_tracer_provider(provider)
