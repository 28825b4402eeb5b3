"""What holds for every test: on CI the property tests take the same examples each time, elsewhere new ones."""

import os

from hypothesis import settings

# A test that a busy machine makes slow is not wrong.
settings.register_profile("anywhere", deadline=None)
settings.register_profile("ci", parent=settings.get_profile("anywhere"), derandomize=True, print_blob=True)
settings.load_profile("anywhere")
if os.environ.get("CI"):
    settings.load_profile("ci")
