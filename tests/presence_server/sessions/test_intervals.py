"""Intervals: what a node reports of its sockets, and that the backend's record of it is the truth."""

import random

import pytest

from backend_api.contract.session_tokens import SessionClaims
from backend_api.contract.sessions import Quality
from backend_api.nodes.leases import Lease, Leases
from backend_api.sessions.intake import session_of
from backend_api.sessions.lifecycle import judge, merged
from backend_api.sessions.statistics import union
from presence_server.sessions.intervals import Intervals, killed

T = 1_800_000_000.0
CLAIMS = SessionClaims("listening", "s1", T, "g:l1", ("c1", "", ""))


def node(name="n1", boot=1):
    return Intervals(name, boot)


def test_a_socket_is_one_interval_with_growing_versions():
    """Open, closed: the same interval, a higher version, the quality of all its updates."""
    intervals = node()
    opened = intervals.open("a", CLAIMS, "i1", {"channel_id": "c1"}, T)
    intervals.add_quality("a", Quality(buffering=1, bitrate=64_000))
    intervals.add_quality("a", Quality(buffering=2, reconnects=1))
    closed = intervals.close("a", "disconnect", T + 10, T + 10)
    assert (opened.interval_id, opened.closed_at) == (closed.interval_id, None)
    assert closed.version > opened.version
    assert closed.quality == Quality(buffering=3, reconnects=1, bitrate=64_000)
    assert intervals.close("a", "lost", T + 11, T + 11) is None


@pytest.mark.parametrize(
    ("reason", "after", "resumes"),
    [("disconnect", 15, True), ("disconnect", 16, False), ("lost", 16, False), ("stop", 1, False),
     ("shutdown", 140, True), ("limit", 1, False)],
)  # fmt: skip
def test_who_may_come_back(reason, after, resumes):
    """Within the grace after leaving; for long after the server's own doing; never after a stop."""
    intervals = node()
    intervals.open("a", CLAIMS, "i1", {"channel_id": "c1"}, T)
    intervals.close("a", reason, T, T)
    assert intervals.may_resume(CLAIMS, T + after) is resumes


def test_a_session_of_another_node_is_resumed_until_it_is_as_long_as_it_may_be():
    """A token needs no look-up; after twelve hours it is over."""
    assert node("n2").may_resume(CLAIMS, T + 3600) is True
    assert node("n2").may_resume(CLAIMS, T + 12 * 3600) is False


def test_quality_is_news_until_it_is_reported():
    """A stall shows while one listens on, once; what closed has told of it already."""
    intervals = node()
    first = intervals.open("a", CLAIMS, "i1", {}, T)
    intervals.open("b", CLAIMS, "i2", {}, T)
    for socket in "ab":
        intervals.add_quality(socket, Quality(buffering=2))
    intervals.close("b", "lost", T + 1, T + 1)
    (report,) = intervals.news(T + 15)
    assert (report.interval_id, report.quality.buffering, report.closed_at) == ("i1", 2, None)
    assert report.version > first.version
    assert intervals.news(T + 30) == []


def test_an_end_is_remembered_for_a_day_as_long_as_there_are_not_too_many(monkeypatch):
    """A laptop that wakes does not bring back what ended the evening before; memory stays bounded."""
    intervals = node()
    intervals.open("a", CLAIMS, "i1", {}, T)
    intervals.close("a", "disconnect", T, T)
    intervals.forget(T + 11 * 3600)
    assert intervals.may_resume(CLAIMS, T + 11 * 3600) is False
    monkeypatch.setattr("presence_server.sessions.intervals.REMEMBER_MOST", 0)
    intervals.forget(T + 3599)
    assert intervals.may_resume(CLAIMS, T + 3599) is False
    intervals.forget(T + 3601)
    assert intervals.may_resume(CLAIMS, T + 3601) is True


def test_a_second_tab_keeps_the_session_open():
    """One of two sockets leaves: whoever comes later still resumes."""
    intervals = node()
    intervals.open("a", CLAIMS, "i1", {}, T)
    intervals.open("b", CLAIMS, "i2", {}, T)
    intervals.close("a", "disconnect", T + 5, T + 5)
    assert intervals.may_resume(CLAIMS, T + 500)
    assert intervals.sockets("s1") == {"b"}


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_clock_that_jumps_neither_adds_nor_removes_time(step):
    """An hour either way: the intervals before and after it have their own lengths."""
    intervals = node()
    reports = [intervals.open("a", CLAIMS, "i1", {"channel_id": "c1"}, T)]
    reports += intervals.reboot(2, T + 100, lambda: "i2", T + 100 + step)
    reports.append(intervals.close("a", "disconnect", T + 160 + step, T + 160 + step))
    session = merged(None, *map(as_session, reports))
    lengths = [interval.closed_at - interval.started_at for interval in session.intervals]
    assert sorted(lengths) == [60, 100]


def as_session(report):
    return session_of(report, {})


class World:
    """Two nodes that live and die, one listener who comes and goes, and what really happened."""

    def __init__(self, dice):
        self.dice, self.now = dice, T
        self.nodes = {name: node(name) for name in ("n1", "n2")}
        self.sent, self.leases, self.truth, self.kills = [], {}, {}, {}
        self.claims, self.on, self.since, self.count = None, None, 0.0, 0

    def pass_time(self):
        for _ in range(self.dice.randrange(1, 60)):
            self.now += 1
            if int(self.now) % 5 == 0:
                for name, intervals in self.nodes.items():
                    self.beat(name, intervals)

    def beat(self, name, intervals):
        self.leases[name, intervals.boot] = Lease(name, intervals.boot, self.now, self.now, self.now)

    def connect(self):
        name = self.dice.choice(["n1", "n2"])
        intervals = self.nodes[name]
        if self.claims is None or not intervals.may_resume(self.claims, self.now):
            self.claims = SessionClaims("listening", f"s{self.count}", self.now, "g:l1", ("c1", "", ""))
        self.count += 1
        self.on, self.since = name, self.now
        self.sent.append(intervals.open("x", self.claims, f"i{self.count}", {"channel_id": "c1"}, self.now))

    def leave(self):
        reason = self.dice.choice(["disconnect", "lost"])
        self.sent.append(self.nodes[self.on].close("x", reason, self.now, self.now))
        self.gone()

    def kill(self):
        """The node dies; its next life files what its journal says, or nothing where the disk was lost."""
        intervals, name = self.nodes[self.on], self.on
        last_at = self.leases.get((name, intervals.boot), Lease(name, 1, self.since, 0, 0)).at
        open_now = intervals.again(self.now)
        self.kills[self.claims.session_id] = self.kills.get(self.claims.session_id, 0) + 1
        self.gone()
        self.now += self.dice.randrange(1, 20)
        if self.dice.random() < 0.5:
            self.sent += killed(open_now, last_at, self.now)
        self.nodes[name] = node(name, intervals.boot + 1)
        self.beat(name, self.nodes[name])

    def gone(self):
        self.truth.setdefault(self.claims.session_id, []).append((self.since, self.now))
        self.on = None

    def live(self, steps):
        for _ in range(steps):
            self.pass_time()
            if self.on is None:
                self.connect()
            else:
                self.dice.choice([self.leave, self.leave, self.kill])()
        if self.on is not None:
            self.leave()

    def records(self):
        """What the backend makes of it: reports in any order, some twice."""
        sent = self.sent + [self.dice.choice(self.sent) for _ in range(5)]
        self.dice.shuffle(sent)
        sessions = {}
        for report in sent:
            known = sessions.get(report.session_id)
            sessions[report.session_id] = merged(known, as_session(report))
        later = self.now + 1000
        fresh = [Lease(x.node, x.boot, x.at, later, later) for x in self.leases.values() if x.boot == self.boot(x.node)]
        old = [x for x in self.leases.values() if x.boot != self.boot(x.node)]
        return {name: judge(session, Leases([*fresh, *old]), later) for name, session in sessions.items()}

    def boot(self, name):
        return self.nodes[name].boot


@pytest.mark.parametrize("seed", range(60))
def test_durations_are_the_truth_within_a_second_and_five_at_a_kill(seed):
    """Connects, flaps, kills with and without the disk, on two nodes, reports reordered and repeated."""
    world = World(random.Random(seed))
    world.live(14)
    records = world.records()
    assert records.keys() == world.truth.keys()
    for name, spans in world.truth.items():
        true_seconds = sum(end - start for start, end in union(spans, bridge_seconds=15))
        kills = world.kills.get(name, 0)
        # Where a kill shortens an interval, the gap after it may be just too long to be bridged.
        slack = 1 + kills * (5 + 15)
        assert -slack <= records[name].seconds - true_seconds <= 1, name
        assert records[name].status != "active"
    unharmed = [name for name in world.truth if name not in world.kills]
    for name in unharmed:
        assert records[name].end_at == pytest.approx(world.truth[name][-1][1], abs=1)


def test_a_session_is_over_its_limit_after_twelve_hours_on_every_socket_that_carries_it():
    """Lessons and calls have none."""
    intervals = node()
    intervals.open("a", CLAIMS, "i1", {}, T)
    intervals.open("b", CLAIMS._replace(session_id="s2", started_at=T + 60), "i2", {}, T + 60)
    intervals.open("c", CLAIMS._replace(kind="study", session_id="s3"), "i3", {}, T)
    assert intervals.over_limit(T + 12 * 3600 - 1) == []
    assert intervals.over_limit(T + 12 * 3600) == ["a"]
