"""What `scripts/up` does before there is a stack. Its starts and ends: tests/end_to_end/test_stack.py."""

import runpy
import signal
import sys
from types import ModuleType

import pytest


class Stack(ModuleType):
    """Stands for the stack; `handlers` notes what becomes of Ctrl-C when it is imported."""

    def __init__(self):
        super().__init__("scripts.stack.up")
        self.handlers = []

    @property
    def main(self):
        self.handlers.append(signal.getsignal(signal.SIGINT))
        return lambda: 0


@pytest.fixture
def stack(monkeypatch):
    """What the program loads instead of the real one; Ctrl-C is put back."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setitem(sys.modules, "scripts.stack.up", stack := Stack())
    yield stack
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_it_outright_until_it_hears_signals_itself(stack):
    """As an exception it could come to pass in an import that swallows it, and the stack would start all the same."""
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("scripts.stack", run_name="__main__")
    assert ended.value.code == 0
    assert stack.handlers == [signal.SIG_DFL]
