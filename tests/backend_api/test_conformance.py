"""Whether the program does what its document says, asked by a fuzzer that knows only the document."""

import asyncio
import sys
from pathlib import Path

from backend_api.app import running
from backend_api.config import Root

API_KEY = "k3yJ8vQ2mZx7Lr9TnB4wHs6YdFc1GpAe"
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "unsupported_method",
)  # fmt: skip
"""Not whether all bad data is refused as a whole: a batch answers for each of its items."""
EXAMPLES = 4
"""Beside thousands that are made on purpose, from the bounds of every value."""
SETTINGS = '[phases.coverage]\nunexpected-methods = ["delete", "patch"]\n'
"""Whatever a path does not know is refused in one place, which need not be tried with every method there is."""


async def test_every_answer_is_one_that_the_document_describes(embedded_url, tmp_path):
    """Right and wrong requests to every operation: no 500, no undocumented status, type or shape."""
    settings = Root(
        backend={"port": 0, "mongo": {"url": embedded_url, "database": "conformance", "embedded": True}},
        internal={"api_key": API_KEY},
        auth={"secret": API_KEY[::-1]},
    )
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    async with running(settings) as backend:
        fuzzer = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{backend.url}/openapi.json",
            "-H", f"X-Internal-Request: {API_KEY}", "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing",
            "--max-examples", str(EXAMPLES), "--seed", "1", "--generation-database", "none",
            cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        report, _ = await fuzzer.communicate()
    assert fuzzer.returncode == 0, report.decode()
