"""Memory that a process may use, within the limits of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from goldieval.core.memory_limit import usable_bytes


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/job/step\n", {"job/memory.max": "7000", "job/step/memory.max": "max"}, 7000),
        ("0::/job/step\n", {"job/memory.max": "7000", "job/step/memory.max": "500\n"}, 500),
        ("0::/\n", {"memory.max": "800"}, 800),  # in a container
        ("5:cpu,cpuacct:/a\n4:memory:/a/b\n", {"memory/a/memory.limit_in_bytes": "900", "a/memory.max": "1"}, 900),
        ("4:memory:/not/visible\n", {"memory/memory.limit_in_bytes": "600"}, 600),
        ("nonsense\n::\n", {}, None),
        ("0::/../..\n", {"memory.max": "max"}, None),
    ],
)
def test_the_smallest_limit_of_a_control_group_holds(
    groups: str, files: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    mounted = tmp_path / "mounted"
    for name, text in files.items():
        (mounted / name).parent.mkdir(parents=True, exist_ok=True)
        (mounted / name).write_text(text)
    (tmp_path / "groups").write_text(groups)
    found = usable_bytes(tmp_path / "groups", mounted)
    assert found == expected if expected is not None else found > 1_000_000
    assert usable_bytes(tmp_path / "missing", mounted) > 1_000_000
