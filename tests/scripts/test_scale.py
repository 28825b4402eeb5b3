"""The model of a large installation: on paper, by simulation, and with costs that are measured here."""

from math import exp

import pytest

from scripts.scale import measure
from scripts.scale.__main__ import main
from scripts.scale.costs import UnitCosts
from scripts.scale.load import Load, redis_core, rows
from scripts.scale.model import expected, expected_storm
from scripts.scale.plan import Plan
from scripts.scale.simulation import Simulation

SMALL = Plan(viewers=20_000, rooms=2_000, nodes=8)


def _ignore(_done: float) -> None:
    pass


def test_the_rooms_hold_all_viewers_and_the_second_has_half_of_the_first():
    """Zipf's law with exponent 1."""
    sizes = SMALL.sizes()
    assert sum(sizes) == pytest.approx(20_000)
    assert sizes[0] == pytest.approx(2 * sizes[1])
    assert len(sizes) == 2_000


def test_a_single_room_costs_what_can_be_worked_out_by_hand():
    """100 viewers on two nodes for 1,000 s each: both hold the room; each says what changes."""
    load = expected(Plan(viewers=100, rooms=1, nodes=2, stay_seconds=1_000.0))
    said = 2 * (1 - exp(-0.1 * 0.1)) / 0.1
    beats = 2 / 2.0
    assert load.joins == pytest.approx(0.1)
    assert load.changes == pytest.approx(said + beats)
    assert load.messages == pytest.approx(2 * said + beats)
    assert (load.held, load.entries) == (pytest.approx(2), pytest.approx(2))
    assert load.counted == pytest.approx(100.5 * said)
    assert load.updates == pytest.approx(100.5 * 0.2 / 1.02)


def test_costs_add_up():
    """Redis' share of a core is each count times its price."""
    costs = UnitCosts(redis_change_us=10, redis_message_us=2, redis_read_us=5)
    assert redis_core(Load(changes=1_000, messages=10_000, reads=2_000), costs) == pytest.approx(0.04)


def test_measured_costs_replace_the_defaults_one_by_one():
    """What was not measured stays what it was."""
    costs = UnitCosts().with_measured({"redis_change_us": 99.0})
    assert (costs.redis_change_us, costs.node_join_us) == (99.0, UnitCosts().node_join_us)


@pytest.mark.parametrize(
    "plan", [SMALL, Plan(30_000, 300, 5, stay_seconds=120.0), Plan(5_000, 5_000, 3, 60.0, exponent=0.8)]
)
def test_paper_and_simulation_agree(plan):
    """Two ways to the same figures, for few large rooms and for many small ones, in peace and in a storm."""
    simulation = Simulation(plan, seed=7)
    steady = simulation.run(90.0, _ignore)
    storm = simulation.storm(_ignore)
    costs = UnitCosts()
    paper, simulated = rows(plan, expected(plan), expected_storm(plan), costs), rows(plan, steady, storm, costs)
    off = {
        a.name: (a.value, b.value)
        for a, b in zip(paper, simulated, strict=True)
        if b.value != pytest.approx(a.value, rel=0.1)
    }
    assert off == {}


def test_a_simulation_is_repeatable():
    """The same seed, the same figures; another one, others."""
    first, again, other = (Simulation(SMALL, seed).run(10.0, _ignore) for seed in (1, 1, 2))
    assert first == again != other


def test_the_command_prints_a_table_with_its_assumptions(capsys):
    """Both ways side by side with their difference, then what was assumed and what one thing costs."""
    assert main(["--viewers", "2000", "--rooms", "200", "--nodes", "4", "--seconds", "5"]) == 0
    printed = capsys.readouterr().out
    assert "| what | on paper | simulated | difference |" in printed
    assert "| Redis: CPU |" in printed
    assert "2,000 viewers in 200 rooms" in printed
    assert "redis_change_us" in printed


@pytest.mark.parametrize("wrong", [["--nodes", "1"], ["--viewers", "0"], ["--stay", "nan"], ["--rooms", "x"]])
def test_what_cannot_be_is_refused_with_a_sentence(wrong, capsys):
    """Exit 2 and what to give instead."""
    with pytest.raises(SystemExit) as ended:
        main(wrong)
    assert ended.value.code == 2
    assert "must be" in capsys.readouterr().err


def test_the_unit_costs_are_measured_on_a_real_redis(monkeypatch, capsys):
    """Every one of sharing is found here, and is a cost: nothing is free."""
    for name, value in (("ROOMS", 400), ("MESSAGES", 2_000), ("LISTENERS", 3)):
        monkeypatch.setattr(measure, name, value)
    found: dict[str, float] = {}
    measured = measure.measured

    async def keep(stepped):
        found.update(await measured(stepped))
        return found

    monkeypatch.setattr("scripts.scale.__main__.measured", keep)
    assert main(["--viewers", "2000", "--rooms", "200", "--nodes", "4", "--seconds", "5", "--measure"]) == 0
    of_viewers = {"node_update_us", "node_join_us", "node_socket_kib", "update_bytes"}
    assert found.keys() == set(UnitCosts.__slots__) - of_viewers
    assert all(found[name] > 0 for name in ("redis_change_us", "node_change_us", "node_message_us", "message_bytes"))
    assert "measured just now" in capsys.readouterr().out
