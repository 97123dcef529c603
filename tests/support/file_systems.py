"""Local file systems that differ from Linux's."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.mounting import needs_fuse
from tests.support.require import missing


@contextmanager
def without_case(folder: Path) -> Iterator[Path]:
    """A new folder in ``folder`` where ``a`` and ``A`` are one name: NTFS as on Windows."""
    needs_fuse()
    image, place = folder / "ntfs.img", folder / "ntfs"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    try:
        subprocess.run(["mkntfs", "--quick", "--quiet", "--force", image], check=True, capture_output=True)
        subprocess.run(["lowntfs-3g", image, place, "-o", "ignore_case"], check=True, capture_output=True)
    except FileNotFoundError as error:
        missing("ntfs", f"{error.filename} is not installed: run tests/install-servers.sh")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        image.unlink()
        place.rmdir()
