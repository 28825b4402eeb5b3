"""The same backend in the loop of the browser, which is one for all tests."""

from tests.backend_api.browsing import browser, context, in_its_loop
from tests.backend_api.program import backends
from tests.backend_api.study.provider import backend_of_a_provider, streams

__all__ = ["browser", "context"]

start_backend = in_its_loop(backends)
stream = in_its_loop(streams)
api = in_its_loop(backend_of_a_provider)
