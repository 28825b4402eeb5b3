"""Fixtures of the tests with several presence servers."""

from contextlib import AsyncExitStack

import pytest

from presence_server.app import running
from tests.presence_server.helpers import settings
from tests.presence_server.presence.servers import cluster, one_server, replicated


@pytest.fixture(scope="module", params=["memory", "redis-7", "redis-8", "cluster", "sentinel"])
def redis_url(request, tmp_path_factory):
    """Every kind of Redis, and none: the URL of the setting."""
    folder = tmp_path_factory.mktemp("redis")
    if request.param == "memory":
        yield None
    elif request.param == "cluster":
        with cluster(folder) as nodes:
            yield "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
    elif request.param == "sentinel":
        with replicated(folder) as (_, _, sentinel):
            yield f"redis+sentinel://127.0.0.1:{sentinel.port}/mymaster"
    else:
        with one_server(folder, version=int(request.param[-1])) as server:
            yield server.url


@pytest.fixture
async def start_nodes(tmp_path, backend):
    """Starts presence servers that share a Redis; they stop with the test."""
    async with AsyncExitStack() as stack:

        async def start(count: int, url: str | None, **presence: object):
            top = presence.pop("data_dir", tmp_path)
            folders = [top / f"n{n}" for n in range(count)]
            roots = [
                settings(folder, backend.url, redis={"url": url}, **{"node": folder.name, **presence})
                for folder in folders
            ]
            return [await stack.enter_async_context(running(root)) for root in roots]

        yield start
