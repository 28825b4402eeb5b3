"""Who may import whom, which modules are pure, how long a file may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("backend_api", "presence_server")
FEATURES = ("viewers", "listening", "tutoring", "study", "engagement", "pages")
SHARED_WITH_PRESENCE = ("backend_api.contract", "backend_api.client", "backend_api.service")
IMPURE = {
    "asyncio",
    "aiohttp",
    "socketio",
    "engineio",
    "pymongo",
    "motor",
    "redis",
    "aiosqlite",
    "socket",
    "time",
    "random",
}
PURE_SERVICES = ["access", "addresses", "csv", "layers", "limits", "origins", "places", "targets", "tokens", "values"]
PURE = [
    "backend_api/contract",
    *(f"backend_api/service/{name}.py" for name in PURE_SERVICES),
    "backend_api/viewers/history.py",
    "backend_api/engagement/events.py",
    "backend_api/engagement/analytics.py",
    "backend_api/engagement/buckets.py",
    "backend_api/engagement/hot_hours.py",
    "backend_api/engagement/periods.py",
    "backend_api/engagement/rollups.py",
    "backend_api/engagement/privacy.py",
    "backend_api/engagement/retention.py",
    "backend_api/uniques.py",
    "backend_api/nodes/leases.py",
    "backend_api/sessions/lifecycle.py",
    "backend_api/sessions/statistics.py",
    "backend_api/sessions/beats.py",
    "backend_api/sessions/cursors.py",
    "backend_api/sessions/pace.py",
    "backend_api/study/lists.py",
    "backend_api/listening/rows.py",
    "backend_api/listening/reports.py",
    "backend_api/listening/days.py",
    "backend_api/listening/parts.py",
    "backend_api/listening/tallies.py",
    "backend_api/sessions/ranges.py",
    "backend_api/listening/devices.py",
    "backend_api/listening/limits.py",
    "backend_api/tutoring/billing.py",
    "backend_api/tutoring/columns.py",
    "backend_api/tutoring/fields.py",
    "backend_api/tutoring/lesson.py",
    "backend_api/tutoring/settings.py",
    "backend_api/tutoring/statements.py",
    "backend_api/study/calls.py",
    "backend_api/study/matching.py",
    "backend_api/study/rows.py",
    "backend_api/study/webhook.py",
    "presence_server/sessions/intervals.py",
    "backend_api/viewers/keeping.py",
    "backend_api/viewers/packing.py",
    "backend_api/viewers/ranges.py",
    "presence_server/rooms.py",
    *(f"presence_server/presence/{name}.py" for name in ("address", "book", "members", "state", "wire")),
    "presence_server/history/windows.py",
    "presence_server/limits.py",
    "presence_server/history/sampler.py",
    "presence_server/history/rosters.py",
    "presence_server/expiries.py",
    "presence_server/respawn.py",
    "presence_server/delivery/reports.py",
    "presence_server/engine/frames.py",
    "presence_server/engine/packets.py",
    *(f"scripts/scale/{name}.py" for name in ("costs", "load", "model", "plan")),
]
TOP_LEVEL = {
    "pyproject.toml", "presence_server", "backend_api", "scripts", "tests", "config.example.toml", "README.md",
    ".ci", "deploy", "CHANGELOG.md", ".gitignore",
}  # fmt: skip


def _modules(*places: str) -> list[Path]:
    """The files of these modules and packages, each of which must be there: a rule over nothing holds nothing."""
    found = {place: [ROOT / place] if place.endswith(".py") else [*(ROOT / place).rglob("*.py")] for place in places}
    missing = [place for place, paths in found.items() if not paths or not all(path.exists() for path in paths)]
    assert not missing, f"no such modules: {missing}"
    return [path for paths in found.values() for path in paths]


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it; `from a import b` counts as `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def test_presence_server_imports_only_the_shared_part_of_the_backend():
    """Contract, client and service; never a store, a route or a database."""
    for path in _modules("presence_server"):
        foreign = {n for n in _imports(path) if n.startswith("backend_api") and not _within(n, SHARED_WITH_PRESENCE)}
        assert not foreign, f"{_name(path)} imports {foreign}"


def test_the_backend_does_not_import_presence_server():
    """The two programs meet on the wire."""
    for path in _modules("backend_api"):
        assert not [n for n in _imports(path) if n.startswith("presence_server")], _name(path)


def test_what_presence_shares_with_the_backend_loads_no_database_driver():
    """Importing contract, client and service in a fresh interpreter leaves PyMongo and Motor out."""
    shared = [_name(p) for p in _modules("backend_api/contract", "backend_api/service", "backend_api/client.py")]
    code = f"import sys, importlib; [importlib.import_module(m) for m in {shared!r}]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert not {"pymongo", "motor", "bson"} & set(loaded.split())


@pytest.mark.parametrize("path", _modules(*PURE), ids=_name)
def test_a_pure_module_does_no_input_or_output(path):
    """No loop, clock, dice, socket, framework or driver: time and chance are arguments."""
    assert not {n.partition(".")[0] for n in _imports(path)} & IMPURE


def test_features_do_not_import_each_other():
    """Only listening, tutoring and study share something: the sessions, and the nodes that report them."""
    present = [feature for feature in FEATURES if (ROOT / "backend_api" / feature).exists()]
    assert {"viewers", "pages", "listening", "tutoring", "study", "engagement"} <= set(present)
    for feature in present:
        others = tuple(f"backend_api.{other}" for other in FEATURES if other != feature)
        for path in _modules(f"backend_api/{feature}"):
            assert not [n for n in _imports(path) if _within(n, others)], _name(path)


def test_lower_layers_do_not_import_the_composition_roots():
    """`app` builds everything and is imported by `__main__` alone."""
    for package in PACKAGES:
        for path in _modules(package):
            if path.name not in {"__main__.py", "app.py"}:
                assert not [n for n in _imports(path) if _within(n, tuple(f"{p}.app" for p in PACKAGES))], _name(path)


def test_the_contract_stands_on_nothing_of_ours():
    """What is on the wire depends on no program."""
    for path in _modules("backend_api/contract"):
        ours = {n for n in _imports(path) if n.startswith(PACKAGES) and not _within(n, ("backend_api.contract",))}
        assert not ours, f"{_name(path)} imports {ours}"


def test_only_db_knows_the_driver():
    """PyMongo or Motor is decided in one module; error classes and types may be named elsewhere in the stores."""
    for path in _modules("backend_api"):
        if path != ROOT / "backend_api/db.py":
            assert not [n for n in _imports(path) if n.startswith("motor")], _name(path)


def test_no_file_is_longer_than_four_hundred_lines():
    """A file has one subject."""
    sources = _modules(*PACKAGES, "scripts", "tests")
    sources += [
        p for s in ("js", "css", "html") for p in (ROOT / "backend_api").rglob(f"*.{s}") if "vendor" not in p.parts
    ]
    assert {path.suffix for path in sources} == {".py", ".js", ".css", ".html"}
    assert not [f"{p.relative_to(ROOT)}: {n}" for p in sources if (n := len(p.read_text().splitlines())) > 400]


def test_the_top_level_holds_what_was_agreed_and_nothing_else():
    """A newcomer sees the whole house at the door."""
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert {"backend_api", "presence_server"} <= {line.partition("/")[0] for line in tracked.splitlines()} <= TOP_LEVEL
