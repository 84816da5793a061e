"""Threads follow what the process may use, not what the machine has."""

import os
import subprocess
import sys

import pytest

from veclab.models.local.cores import usable_cores


def cgroup(root, line, **files):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(line)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name.replace("__", "/").replace("-", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


def test_without_a_quota_the_affinity_mask_counts(tmp_path):
    assert usable_cores(tmp_path) == 8


@pytest.mark.parametrize(
    ("content", "cores"),
    [("max 100000\n", 8), ("100000 100000\n", 1), ("150000 100000\n", 2), ("", 8), ("x", 8)],
)
def test_version_2_quota(tmp_path, content, cores):
    assert usable_cores(cgroup(tmp_path, "0::/job/inner\n", **{"job__cpu-max": content})) == cores


def test_version_2_the_tightest_group_counts(tmp_path):
    files = {"cpu-max": "max 100000", "job__cpu-max": "300000 100000"}
    files["job__inner__cpu-max"] = "600000 100000"
    assert usable_cores(cgroup(tmp_path, "0::/job/inner\n", **files)) == 3


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("200000", 2), ("50000", 1)])
def test_version_1_quota(tmp_path, quota, cores):
    files = {"cpu__job__cpu-cfs_quota_us": quota, "cpu__job__cpu-cfs_period_us": "100000"}
    line = "4:memory:/job\n3:cpu,cpuacct:/job\n"
    assert usable_cores(cgroup(tmp_path, line, **files)) == cores


@pytest.mark.skipif(sys.platform != "linux", reason="affinity masks are Linux's")
def test_a_real_affinity_mask_is_respected():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from veclab.models.local.cores import usable_cores; print(usable_cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
