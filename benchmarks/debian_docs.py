"""Eight of Debian's documentation packages as a folder of documents.

    python -m benchmarks.debian_docs FOLDER                  # needs apt-get and dpkg-deb
    python -m benchmarks.debian_docs FOLDER --development    # five others

PDF (bash), HTML (apt, borg, the FAQ, git), text (the policy, the FHS, the developer's reference)
and Markdown (docker). Files come out of the packages as they are, gzip taken off.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
import subprocess
import tempfile
from pathlib import Path

_GIT_GUIDES = """
gitfaq giteveryday gittutorial gittutorial-2 gitworkflows gitglossary gitignore gitattributes
githooks gitrevisions gitmodules gitcli
"""
_GIT_COMMANDS = """
add am archive bisect blame branch bundle checkout cherry-pick clean clone commit describe diff
fetch filter-branch format-patch gc grep log merge mv notes pull push rebase reflog remote reset
restore revert rm shortlog show sparse-checkout stash status submodule switch tag worktree
"""
_GIT = [*_GIT_GUIDES.split(), *(f"git-{command}" for command in _GIT_COMMANDS.split())]
# Package -> version that the questions were written for, and the files taken, below /usr/share.
PACKAGES = {
    "apt-doc": ("2.6.2", ["doc/apt-doc/guide.html/*.html", "doc/apt-doc/offline.html/*.html"]),
    "bash-doc": ("5.2.15-2", ["doc/bash/bashref.pdf"]),
    "borgbackup-doc": (
        "1.2.4-1",
        ["doc/borgbackup/html/*.html", "doc/borgbackup/html/[dui]*/*.html"],
    ),
    "debian-faq": ("11.1", ["doc/debian/FAQ/*.en.html"]),
    "debian-policy": (
        "4.6.2.0",
        ["doc/debian-policy/policy.txt.gz", "doc/debian-policy/fhs/fhs-3.0.txt.gz"],
    ),
    "developers-reference": (
        "12.18",
        ["developers-reference/developers-reference.txt.gz"],
    ),
    "docker-doc": (
        "20.10.24+dfsg1-1+deb12u1",
        ["doc/docker-doc/reference/*.md*", "doc/docker-doc/reference/commandline/*.md*"],
    ),
    "git-doc": ("1:2.39.5-0+deb12u3", [f"doc/git/html/{name}.html" for name in _GIT]),
}
_SQLITE = """
autoinc backup cli datatype3 faq foreignkeys howtocorrupt isolation limits nulls optoverview pragma
rowidtable tempfiles wal whentouse
"""
# Other packages, to develop on: the questions over them are not reported.
DEVELOPMENT = {
    "aptitude": ("aptitude-doc-en", "0.8.13-5", ["doc/aptitude/html/en/*.html"]),
    "reference": ("debian-reference-en", "2.100", ["debian-reference/ch*.html"]),
    "installation": (
        "installation-guide-amd64",
        "20230508+deb12u1",
        ["doc/installation-guide-amd64/en/*.html"],
    ),
    "sqlite": (
        "sqlite3-doc",
        "3.40.1-2+deb12u2",
        ["doc/sqlite3/lang_*.html", *(f"doc/sqlite3/{name}.html" for name in _SQLITE.split())],
    ),
    "maint-guide": ("maint-guide", "1.2.53", ["doc/maint-guide/html/*.html"]),
}
# No words of their own.
_LEFT_OUT = {"genindex.html", "search.html", "book.html", "changes.html", "authors.html"}


def prepare(folder: Path, development: bool = False) -> list[str]:
    """Fill a folder; give the packages with the versions that there were."""
    versions = []
    chosen = {name: (name, *rest) for name, rest in PACKAGES.items()}
    for name, (package, _, patterns) in (DEVELOPMENT if development else chosen).items():
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run(["apt-get", "download", package], cwd=scratch, check=True)
            (deb,) = Path(scratch).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", str(deb), f"{scratch}/x"], check=True)
            versions.append(f"{package} {_version(deb)}")
            for pattern in patterns:
                for file in sorted(Path(scratch, "x/usr/share").glob(pattern)):
                    if file.name not in _LEFT_OUT and file.is_file():
                        _take(file, folder / name)
    return versions


def _version(deb: Path) -> str:
    found = subprocess.run(
        ["dpkg-deb", "-f", str(deb), "Version"],
        check=True,
        capture_output=True,
        text=True,
    )
    return found.stdout.strip()


def _take(file: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    parent = file.parent.name.replace(".html", "-") if file.parent.suffix == ".html" else ""
    target = folder / f"{parent}{file.name.removesuffix('.gz')}"
    if file.suffix == ".gz":
        target.write_bytes(gzip.decompress(file.read_bytes()))
    else:
        shutil.copyfile(file, target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--development", action="store_true")
    options = parser.parse_args()
    print("\n".join(prepare(options.folder, options.development)))
