"""The benchmarks' command lines."""

from argparse import ArgumentTypeError

import pytest

from tests.benchmarks.engagement.scenes import SCENES
from tests.benchmarks.engine.peers import peers
from tests.benchmarks.engine.steps import STEPS
from tests.benchmarks.options import some_of


def test_what_can_be_chosen_can_be_named():
    """No name has the comma in it that stands between names."""
    for names in ([peer.name for peer in peers()], [step.name for step in STEPS], list(SCENES)):
        assert some_of(names)(",".join(names)) == names


def test_a_name_that_there_is_not_is_refused():
    """With the ones that there are: a run without it would be a table of nothing."""
    with pytest.raises(ArgumentTypeError, match="unknown: tee; there are one, two"):
        some_of(["one", "two"])("two,tee")
