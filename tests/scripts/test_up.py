"""What `scripts/up` does before there is a stack. Its starts and ends: tests/end_to_end/test_stack.py."""

import runpy
import signal
import sys
from types import ModuleType

import pytest


@pytest.fixture
def loading(monkeypatch):
    """The program without the stack behind it; ends with what becomes of Ctrl-C once everything is imported."""
    before = signal.getsignal(signal.SIGINT)
    stack = ModuleType("scripts.stack.up")
    stack.main = lambda: signal.getsignal(signal.SIGINT)
    monkeypatch.setitem(sys.modules, "scripts.stack.up", stack)
    yield lambda: runpy.run_module("scripts.stack", run_name="__main__")
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_it_outright_until_it_hears_signals_itself(loading):
    """As an exception it could come to pass in a place that swallows it, and the stack would start all the same."""
    with pytest.raises(SystemExit) as ended:
        loading()
    assert ended.value.code is signal.SIG_DFL
