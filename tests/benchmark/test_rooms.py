"""The rooms of the trunk lie above each other: cli, report, sets, measure, store, plan; each knows only those below."""

import ast
from pathlib import Path

import pytest

TRUNK = Path(__file__).parents[2] / "benchmark"
ROOMS = ("plan", "store", "measure", "sets", "report", "cli")


def rooms_imported(path: Path) -> set[str]:
    """Return the rooms that a file of the trunk imports from."""
    package = ["benchmark", *path.relative_to(TRUNK).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            stem = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            names = [[part for part in (*stem, alias.name) if part] for alias in node.names]
            found |= {parts[1] for parts in names if parts[0] == "benchmark"}
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_only_those_below(room: str) -> None:
    known = {*ROOMS[: ROOMS.index(room) + 1]}
    above = {
        str(path.relative_to(TRUNK)): sorted(imported - known)
        for path in (TRUNK / room).rglob("*.py")
        if (imported := rooms_imported(path) & {*ROOMS}) - known
    }
    assert above == {}
