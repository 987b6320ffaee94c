"""On what kind of file system a file lies: SQLite and several machines need one that is local."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# As /proc/mounts, or macOS, names those that several machines share. What FUSE serves has `fuse.` before its name.
SHARED = frozenset(
    {"9p", "afs", "afpfs", "beegfs", "beegfs_nodev", "ceph", "ceph-fuse", "cifs", "cvmfs", "davfs", "gcsfuse"}
    | {"glusterfs", "gpfs", "juicefs", "lustre", "moosefs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2"}
    | {"quobyte", "rclone", "s3fs", "smb2", "smb3", "smbfs", "sshfs", "wekafs", "webdav"}
)


@dataclass(frozen=True)
class Mount:
    """A file system: its kind, and the folder it is mounted at."""

    kind: str
    at: Path

    @property
    def is_shared(self) -> bool:
        """Whether other machines may write to it."""
        return self.kind.removeprefix("fuse.") in SHARED


def mount_of(path: Path) -> Mount | None:
    """The file system of a path, which need not be there yet; None where the system tells of none."""
    import psutil

    place = path.resolve()
    found = None
    for part in psutil.disk_partitions(all=True):
        at = Path(part.mountpoint)
        # Of two mounted at one place the later is seen.
        if place.is_relative_to(at) and (found is None or len(at.parts) >= len(found.at.parts)):
            found = Mount(part.fstype.lower(), at)
    return found


def caution(file: Path) -> str:
    """What to say of a file of SQLite's that other machines may open; empty where none may."""
    mount = mount_of(file)
    if mount is None or not mount.is_shared:
        return ""
    return (
        f"{file.name} lies on {mount.kind} ({mount.at}), where SQLite serves one machine alone: have no dashboard and "
        "no hrfevo read it on another meanwhile; --store postgresql+psycopg://… serves several, --out elsewhere one"
    )
