"""Whether a program lives, whether it is ready, and what it measures."""

import asyncio

import pytest

from backend_api.service import health
from backend_api.service.health import Health, health_table


@pytest.fixture
def checks():
    """What each dependency says; a test changes it. It serves worse without the cache, and not without the others."""
    return {"database": None, "outbox": None, "cache": None}


@pytest.fixture
def health_of(checks):
    def check(name):
        async def ask():
            await asyncio.sleep(checks[name] if isinstance(checks[name], float) else 0)
            return checks[name]

        return ask

    return Health({name: check(name) for name in ("database", "outbox")}, degraded={"cache": check("cache")})


@pytest.fixture
async def get(serve, health_of, metrics):
    client = await serve(health_table(health_of, metrics))

    async def ask(path):
        async with client.get(path, headers={"Authorization": "Bearer nonsense"}) as answer:
            return answer.status, await answer.json(content_type=None) if path != "/metrics" else await answer.text()

    return ask


async def test_a_program_lives_while_it_answers(get, health_of, checks):
    """Whatever is wrong with what it depends on; and whoever asks."""
    checks["database"] = "away"
    health_of.drain()
    assert await get("/livez") == (200, {"status": "ok"})


async def test_it_is_ready_when_nothing_is_wrong(get):
    """200."""
    assert await get("/readyz") == (200, {"status": "ok", "reasons": {}})


async def test_it_is_not_ready_for_the_reasons_that_its_checks_give(get, checks):
    """503 that names each."""
    checks["database"] = "the database cannot be reached"
    answer = {"status": "unavailable", "reasons": {"database": "the database cannot be reached"}}
    assert await get("/readyz") == (503, answer)


async def test_it_is_ready_and_says_so_when_it_only_serves_worse(get, checks):
    """200 with the reason: taking it out of the balancer would serve nobody. What it cannot do without comes first."""
    checks["cache"] = "the cache cannot be reached"
    answer = {"status": "degraded", "reasons": {"cache": "the cache cannot be reached"}}
    assert await get("/readyz") == (200, answer)
    checks["database"] = "away"
    assert await get("/readyz") == (
        503,
        {"status": "unavailable", "reasons": {**answer["reasons"], "database": "away"}},
    )


async def test_a_check_that_does_not_answer_is_a_reason(get, checks, monkeypatch):
    """Readiness never hangs."""
    monkeypatch.setattr(health, "CHECK_TIMEOUT_SECONDS", 0.01)
    checks["outbox"] = 60.0
    status, answer = await get("/readyz")
    assert (status, set(answer["reasons"])) == (503, {"outbox"})


async def test_while_it_drains_it_is_not_ready(get, health_of):
    """Balancers shall look elsewhere."""
    health_of.drain()
    assert await get("/readyz") == (503, {"status": "unavailable", "reasons": {"process": "draining"}})


async def test_metrics_are_in_prometheus_format(get):
    """With the request that asked before."""
    await get("/livez")
    status, text = await get("/metrics")
    assert status == 200
    assert 'http_requests_total{method="GET",route="/livez",status="200"} 1.0' in text
