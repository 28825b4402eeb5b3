"""What a Redis URL says, and what it must not say."""

import pytest

from presence_server.presence.address import RedisAddress, parse

GOOD = {
    "redis://127.0.0.1": RedisAddress("single", (("127.0.0.1", 6379),)),
    "redis://cache:6380/3": RedisAddress("single", (("cache", 6380),), database=3),
    "rediss://me:p%40ss@[::1]:1/": RedisAddress("single", (("::1", 1),), tls=True, username="me", password="p@ss"),
    "unix:///run/redis.sock?db=2": RedisAddress("unix", socket_path="/run/redis.sock", database=2),
    "redis+sentinel://a,b:7/mymaster": RedisAddress("sentinel", (("a", 26379), ("b", 7)), service="mymaster"),
    "redis+sentinel://:pw@a/m.1/4": RedisAddress("sentinel", (("a", 26379),), service="m.1", database=4, password="pw"),
    "rediss+cluster://a:1,b": RedisAddress("cluster", (("a", 1), ("b", 6379)), tls=True),
    "redis+cluster://a/0": RedisAddress("cluster", (("a", 6379),)),
}

BAD = {
    "http://a": "must begin with",
    "redis+ring://a": "must begin with",
    "redis://": "must begin with",
    "redis://a,b": "several hosts",
    "redis://a:0": "name its hosts",
    "redis://a:99999": "name its hosts",
    "redis://a b": "name its hosts",
    "redis://a/one": "database is a number",
    "redis://a?db=1": "no query",
    "unix://run/redis.sock": "unix:///path",
    "unix:///run/redis.sock?timeout=1": "unix:///path",
    "redis+sentinel://a": "what the Sentinels watch",
    "redis+cluster://a/1": "database 0 only",
}


@pytest.mark.parametrize("url", GOOD)
def test_a_url_names_its_servers(url):
    """Hosts with their usual ports, user and password, database and service."""
    assert parse(url) == GOOD[url]


@pytest.mark.parametrize("url", BAD)
def test_a_url_that_cannot_work_is_refused_with_the_reason(url):
    """In one sentence that says what to write."""
    with pytest.raises(ValueError, match=BAD[url]):
        parse(url)
