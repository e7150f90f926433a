from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from planviz.runs.ownership import Lease, is_alive


def test_an_owner_lives_until_it_gives_its_lease_back(tmp_path: Path) -> None:
    lease, other = Lease(tmp_path), Lease(tmp_path)
    assert is_alive(tmp_path, lease.name)
    lease.release()
    assert not is_alive(tmp_path, lease.name)
    assert not is_alive(tmp_path, "nobody")
    assert is_alive(tmp_path, other.name)
    other.release()


def test_an_owner_is_dead_once_its_process_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from planviz.runs.ownership import Lease; "
        "lease = Lease(Path(sys.argv[1])); print(lease.name, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        assert is_alive(tmp_path, name)
        process.kill()
        process.wait()
        assert not is_alive(tmp_path, name)
    assert list((tmp_path / "owners").iterdir()) == []
