"""A firmware image in a folder, as `make image` builds it: read, and checked against its manifest.

Its signature is a file beside the manifest, by one of the keys in release_keys.pem; it covers the
manifest, and that the hash of each file. May import `errors`, `keys` and the standard library. The
manifest's form: docs/cryo.md.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from host_tools.errors import LocalError
from host_tools.keys import good_signature, public_of

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
"""The signature, 64 bytes in hexadecimal; it stays on the host."""
KEYS = Path(__file__).with_name("release_keys.pem")
PURPOSE = b"cryodose image 1\n"
"""Before the manifest, so that a signature for this is one for nothing else."""
MAIN = "main.py"

_BUILD = "`make image` builds one in build/image"

_INSTALLED = Path(__file__).resolve().parents[1] / "image"


def default_folder() -> Path:
    """The image that came with this installation; in a checkout, the one that `make image` builds.

    There `image` lies beside this package; in the checkout it is in `build`.
    """
    return _INSTALLED if _INSTALLED.is_dir() else Path("build") / "image"


@dataclass(frozen=True)
class Release:
    """What is to be on the board."""

    folder: Path
    version: str
    commit: str | None
    changed: bool
    """True when it was built from files that differ from the commit."""
    platform: str
    board: str
    """MicroPython's name of the board and its processor (os.uname().machine)."""
    mpy: int
    """Version of the .mpy format; MicroPython loads no other."""
    mpy_sub: int | None
    """The version's second number, which counts for native code only; None without any."""
    arch: str
    filesystem_bytes: int
    """Size of the board's file system, from which room and journal were reckoned."""
    hashes: dict[str, str]
    """SHA-256 (hex) of every file, by its path on the board; the manifest's own included."""
    manifest: bytes
    """The manifest as it was read."""
    image: str
    """What the device records at each start: 14 hexadecimal digits; empty before 0.3.0."""


def load(folder: Path) -> Release:
    """The image in `folder`. Raises LocalError: none there, or its files are not the manifest's."""
    try:
        raw = (folder / MANIFEST).read_bytes()
    except OSError:
        raise LocalError(f"no firmware image in {folder} (it has no {MANIFEST})", _BUILD) from None
    try:
        manifest = cast(dict[str, Any], json.loads(raw))
        listed = {
            str(name): str(row["sha256"])
            for name, row in cast(dict[str, Any], manifest["files"]).items()
        }
        release = Release(
            folder,
            str(manifest["version"]),
            None if manifest["commit"] is None else str(manifest["commit"]),
            bool(manifest["changed"]),
            str(manifest["platform"]),
            # Images before 0.3.0 do not state these; all were made for this board.
            str(manifest.get("board", "Raspberry Pi Pico with RP2040")),
            int(manifest["mpy"]),
            None if (sub := manifest.get("mpy_sub", 3)) is None else int(sub),
            str(manifest["arch"]),
            int(manifest.get("filesystem_bytes", 1408 * 1024)),
            listed | {MANIFEST: hashlib.sha256(raw).hexdigest()},
            raw,
            str(manifest.get("image", "")),
        )
        if manifest["device"] != "cryodose" or MAIN not in listed:
            raise ValueError
    except (KeyError, TypeError, ValueError, AttributeError):
        raise LocalError(f"{folder / MANIFEST} is no manifest of Cryodose", _BUILD) from None
    for name, digest in release.hashes.items():
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise LocalError(f"the manifest names a file outside of the image: {name}", _BUILD)
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError:
            raise LocalError(f"the image lacks {name}", _BUILD) from None
        if found != digest:
            raise LocalError(f"{name} of the image is not what the manifest says", _BUILD)
    return release


def release_keys() -> list[bytes]:
    """The public keys that sign releases, each 32 bytes. Raises LocalError: one of them is none."""
    begin, end = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"
    blocks = KEYS.read_text("utf-8").split(f"\n{begin}\n")[1:]
    return [
        public_of(f"{begin}\n{block.partition(end)[0]}{end}", f"a key of {KEYS.name}")
        for block in blocks
    ]


def not_signed_because(release: Release) -> str:
    """Why the image does not count as signed by a release key; empty when it does.

    Raises LocalError when the library that checks a signature is missing.
    """
    try:
        text = (release.folder / SIGNATURE).read_text("ascii").strip()
    except FileNotFoundError:
        return "it is not signed"
    except (OSError, UnicodeDecodeError):
        return f"its {SIGNATURE} cannot be read"
    try:
        signature = bytes.fromhex(text)
    except ValueError:
        return f"its {SIGNATURE} is no signature"
    keys = release_keys()
    if any(good_signature(key, signature, PURPOSE + release.manifest) for key in keys):
        return ""
    return "its signature is by none of this command's release keys, or the manifest was altered"
