"""What holds for every test: on CI the property tests take the same examples each time, elsewhere new ones.

A page's state is waited for long: that costs nothing where it comes, and a busy machine is not a fault.
"""

import gc
import os

from hypothesis import settings
from playwright.async_api import expect

# A test that a busy machine makes slow is not wrong.
settings.register_profile("anywhere", deadline=None)
settings.register_profile("ci", parent=settings.get_profile("anywhere"), derandomize=True, print_blob=True)
settings.load_profile("anywhere")
if os.environ.get("CI"):
    settings.load_profile("ci")
expect.set_options(timeout=30_000)


def pytest_collection_finish():
    """What thousands of collected tests consist of stays: no collection of garbage has to look through it again."""
    gc.collect()
    gc.freeze()
