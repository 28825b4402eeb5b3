"""A backend with people who teach and learn."""

import pytest

from tests.backend_api.program import start_backend
from tests.backend_api.tutoring.school import MEETING, school, telegrams

__all__ = ["start_backend"]

telegram = pytest.fixture(telegrams)
api = pytest.fixture(school)


@pytest.fixture
def make_link(api):
    """A link for Sam, as a service makes it."""

    async def make(**fields):
        return await api.data("POST", "/api/teachers/students/s1/zoom", {"link": MEETING, "teacherId": "t1"} | fields)

    return make
