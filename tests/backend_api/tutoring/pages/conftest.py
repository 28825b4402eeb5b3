"""The same backend in the loop of the browser, which is one for all tests."""

from tests.backend_api.browsing import browser, context, in_its_loop
from tests.backend_api.program import backends
from tests.backend_api.tutoring.school import school, telegrams

__all__ = ["browser", "context"]

start_backend = in_its_loop(backends)
telegram = in_its_loop(telegrams)
api = in_its_loop(school)
