"""What falls due after one fixed time, with time as a number."""

from hypothesis import given
from hypothesis import strategies as st

from presence_server.engine.deadlines import Deadlines


def test_an_item_falls_due_once_after_its_time():
    """Not before, and never again."""
    deadlines = Deadlines(10.0)
    deadlines.start("a", 100.0)
    assert deadlines.due(109.9) == []
    assert deadlines.due(110.0) == ["a"]
    assert deadlines.due(200.0) == [] and len(deadlines) == 0


def test_starting_again_is_waiting_anew():
    """The newest start counts."""
    deadlines = Deadlines(10.0)
    deadlines.start("a", 0.0)
    deadlines.start("b", 1.0)
    deadlines.start("a", 5.0)
    assert deadlines.due(11.0) == ["b"]
    assert deadlines.due(15.0) == ["a"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["start", "stop", "due"]), st.floats(0, 5))))
def test_it_agrees_with_a_plain_model(steps):
    """Any order of starts, stops and looks, as a dictionary scanned whole would have it."""
    deadlines, model, now = Deadlines(3.0), {}, 0.0
    for item, step, passed in steps:
        now += passed
        if step == "start":
            deadlines.start(item, now)
            model[item] = now + 3.0
        elif step == "stop":
            deadlines.stop(item)
            model.pop(item, None)
        else:
            late = {i for i, due in model.items() if due <= now}
            assert set(deadlines.due(now)) == late
            model = {i: due for i, due in model.items() if i not in late}
    assert set(deadlines.items()) == set(model)
