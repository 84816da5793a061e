"""Where the cache may lie: LMDB maps its file into memory, which network file systems do not bear.

Its own documentation says so: locks and mapped pages are not kept together between machines, and
files were damaged. A home directory on such a system is common in laboratories and offices.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
import tempfile
from pathlib import Path

from veclab.errors import CacheError
from veclab.hints import typed

# Kinds of file systems that are on another machine, or pass through a process that may be.
_REMOTE = {
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs",
    "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf",
    "virtiofs", "vmhgfs",
}  # fmt: skip
# Of file systems in user space these are on this machine's own disks.
_LOCAL_FUSE = {"fuseblk", "fuse.ext2", "fuse.ntfs-3g", "fuse.overlayfs", "fuse.fuse-overlayfs"}
_MOUNTS = Path("/proc/self/mounts")


def remote_kind(path: Path) -> str | None:
    """Return the kind of network file system that `path` is on; None where it is local or unknown.

    Known on Linux only. The path need not exist.
    """
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    place = Path(os.path.realpath(path))
    best, kind = -1, ""
    for line in lines:
        _, where, this, *_ = [*line.split(" "), "", "", ""]
        # Blanks and the like are written in octal.
        mount = Path(re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), where))
        if place.is_relative_to(mount) and len(mount.parts) >= best:  # the last of equals is on top
            best, kind = len(mount.parts), this
    fuse = kind.startswith("fuse") and kind not in _LOCAL_FUSE
    return kind if kind in _REMOTE or fuse else None


def local_root(wanted: Path, chosen: bool) -> tuple[Path, str]:
    """Return where to keep the cache, and what to tell the user; empty where that is as wanted.

    Args:
        wanted: where it would be.
        chosen: whether the user named it.

    Raises:
        CacheError: it was chosen and lies on a network file system, or there is no other place.
    """
    kind = remote_kind(wanted)
    if kind is None:
        return wanted, ""
    why = f"{wanted} is on a network file system ({kind}), where LMDB can lose what it keeps"
    if chosen:
        raise CacheError(f"no cache can be kept at {wanted}: {why}. Name a folder on a local disk")
    # One for each home, so that two of them do not meet.
    name = f"veclab-{_user()}-{hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]}"
    for folder in dict.fromkeys([Path("/var/tmp"), Path(tempfile.gettempdir())]):
        if not folder.is_dir() or remote_kind(folder) is not None:
            continue
        try:
            root = _own_folder(folder / name)
        except OSError:
            continue
        note = (
            f"{why}: vectors are kept in {root}, which other machines do not see. VECLAB_HOME "
            "names another home, on a local disk"
        )
        for old in (wanted / "v2", wanted / "v1"):
            if (old / "data.mdb").exists():
                note += f". To take over what is there: {typed('cache', 'repair', old)}"
        return root, note
    raise CacheError(
        f"no cache can be kept at {wanted}: {why}. Set VECLAB_HOME to a folder on a local disk"
    )


def _user() -> str:
    return str(os.getuid()) if sys.platform != "win32" else os.environ.get("USERNAME", "user")


def _own_folder(path: Path) -> Path:
    """Make a folder that only this user can enter, where everybody may make some; raises OSError.

    One that is there already must be of that kind: others could have put it there.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or (
        sys.platform != "win32" and (found.st_uid != os.getuid() or found.st_mode & 0o077)
    ):
        raise PermissionError(f"{path} is not this user's own")
    return path
