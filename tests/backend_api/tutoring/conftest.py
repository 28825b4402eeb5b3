"""A backend with people who teach and learn."""

import pytest

from tests.backend_api.program import start_backend
from tests.backend_api.tutoring.school import MEETING, school, telegrams

__all__ = ["start_backend"]


@pytest.fixture
async def telegram():
    async with telegrams() as double:
        yield double


@pytest.fixture
async def api(start_backend, telegram):
    return await school(start_backend, telegram)


@pytest.fixture
def make_link(api):
    """A link for Sam, as a service makes it."""

    async def make(**fields):
        return await api.data("POST", "/api/teachers/students/s1/zoom", {"link": MEETING, "teacherId": "t1"} | fields)

    return make
