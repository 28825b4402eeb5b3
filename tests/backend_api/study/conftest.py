"""A backend whose provider of calls is a double of Stream's API; it signs webhooks as Stream does."""

import gzip
import hashlib
import hmac
import json
from uuid import uuid4

import pytest

from tests.backend_api.program import start_backend
from tests.backend_api.study.provider import KEY, SECRET, backend_of_a_provider, stamp, streams

__all__ = ["start_backend"]


@pytest.fixture
async def stream():
    async with streams() as double:
        yield double


@pytest.fixture
async def api(start_backend, stream):
    return await backend_of_a_provider(start_backend, stream)


@pytest.fixture
def hook(api):
    """Sends a webhook as Stream does; the status and the answer."""

    async def send(event, *, webhook_id=None, compressed=False, **changed):
        body = json.dumps(event).encode() if isinstance(event, dict) else event
        headers = {
            "X-API-KEY": KEY,
            "X-SIGNATURE": hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
            "X-WEBHOOK-ID": webhook_id or uuid4().hex,
            "Content-Type": "application/json",
        } | changed
        if compressed:
            body, headers["Content-Encoding"] = gzip.compress(body, mtime=0), "gzip"
        return await api("POST", "/api/webhooks/stream-call-events", text=body, headers=headers, key=None)

    return send


@pytest.fixture
def event(clock):
    """An event of Stream's about a call, so many seconds from the test's start."""
    base = clock()

    def make(type_, after, *, user=None, joined=None, seconds=None, connection="c1", call="c9"):
        made = {
            "type": type_,
            "call_cid": f"default:{call}",
            "session_id": "sess",
            "created_at": stamp(base + after),
        }
        if user is not None:
            who = {
                "user": {"id": user, "name": user.title()},
                "user_session_id": f"{user}-{connection}",
                "role": "user",
            }
            made["participant"] = who | ({} if joined is None else {"joined_at": stamp(base + joined)})
        return made if seconds is None else made | {"duration_seconds": seconds}

    return make
