"""Build hook of the wheel: the repository's folders as the one package `cryodose`.

May import the standard library and hatchling. Run by hatchling (pyproject.toml), not for the
editable install. The folders keep their places beside each other, as `cryodose/firmware`,
`cryodose/host_tools` and `cryodose/hw_sim`, so that paths between them stay true. The absolute
imports of our packages get their new names in the text; what else could name a package, or what
would not be there, ends the build. Why so: docs/release.md.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = "host_tools/distribution"
FOLDERS = ("firmware", "host_tools", "hw_sim")
PACKAGES = {
    "cryo": "cryodose.firmware.cryo",
    "host_tools": "cryodose.host_tools",
    "hw_sim": "cryodose.hw_sim",
}
LEFT_OUT = (HERE, "hw_sim/artwork", "hw_sim/benchmarks", "hw_sim/dose")
"""Folders for work on the project itself: they write into the repository's docs and firmware."""
KEPT = ("hw_sim/dose/__init__.py", "hw_sim/dose/applicators.py")  # the page needs these
_DOCUMENTS = """
import sys
from host_tools import cli, documents
documents.write(sys.argv[1], cli.make_parser())
"""


def mapped(source: bytes, name: str) -> bytes:
    """A module's text with our packages' names as they are in the wheel; lines keep their numbers.

    ValueError where a name would be missed: `import hw_sim.x` binds the old name, and a string
    may be imported.
    """
    tree = ast.parse(source, name)
    places: list[tuple[int, int, str]] = []
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            first = (node.module or "").partition(".")[0]
            if first in PACKAGES:
                places.append((node.lineno, node.col_offset + len("from "), first))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                if first in PACKAGES and alias.asname is None:
                    raise ValueError(f"{name}:{node.lineno}: write it as `from {first} import ...`")
                if first in PACKAGES:
                    places.append((alias.lineno, alias.col_offset, first))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            word = node.value.partition(".")[0]
            if word in PACKAGES and word != "cryo" and id(node) not in texts:
                raise ValueError(f"{name}:{node.lineno}: '{node.value}' names a package")
    lines = source.splitlines(keepends=True)
    for number, column, first in sorted(places, reverse=True):
        line = lines[number - 1]
        end = column + len(first)
        if line[column:end] != first.encode():
            raise ValueError(f"{name}:{number}: {first} is not where it was expected")
        lines[number - 1] = line[:column] + PACKAGES[first].encode() + line[end:]
    return b"".join(lines)


def package_files(root: Path) -> dict[str, bytes]:
    """What the wheel has of the repository at `root`, by path: our folders, and `src`.

    The firmware stays as it is, byte for byte: the simulator runs it, and the board would.
    """
    files: dict[str, bytes] = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            left_out = name.startswith(tuple(f"{each}/" for each in LEFT_OUT)) and name not in KEPT
            if path.is_dir() or left_out or "__pycache__" in path.parts:
                continue
            files[f"cryodose/{name}"] = _content(path, name)
    source = root / HERE / "src"
    for path in sorted(source.rglob("*.py")):
        files[path.relative_to(source).as_posix()] = _content(path, path.name)
    files["cryodose/py.typed"] = b""
    return files


def _content(path: Path, name: str) -> bytes:
    data = path.read_bytes()
    return mapped(data, name) if path.suffix == ".py" and not name.startswith("firmware/") else data


def missing_modules(files: dict[str, bytes]) -> list[str]:
    """Our modules that a file of the wheel imports, and that the wheel does not have."""
    lost: set[str] = set()
    for name, data in files.items():
        if not name.endswith(".py") or name.startswith("cryodose/firmware/"):
            continue
        for node in ast.walk(ast.parse(data, name)):
            module = node.module if isinstance(node, ast.ImportFrom) and not node.level else None
            if module is None or module.partition(".")[0] != "cryodose":
                continue
            path = module.replace(".", "/")
            if not any(known.startswith((f"{path}/", f"{path}.py")) for known in files):
                lost.add(f"{name} imports {module}")
    return sorted(lost)


class CryodoseBuildHook(BuildHookInterface[Any]):
    """Puts the package together in a temporary folder, and hands that to hatchling."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the build. RuntimeError when a module of ours would not be in the wheel."""
        if version == "editable":
            return
        root = Path(self.root)
        files = package_files(root)
        lost = missing_modules(files)
        if lost:
            raise RuntimeError("not in the wheel: " + "; ".join(lost))
        self._folder = Path(tempfile.mkdtemp(prefix="cryodose-wheel-"))
        for name, data in files.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        home = self._folder / "cryodose"
        self._run(root, "-m", "hw_sim.image.release", str(home / "image"))
        self._run(root, "-m", "host_tools.sign_image", str(home / "image"))
        self._run(root, "-c", _DOCUMENTS, str(home / "share"))
        build_data["force_include"][str(home)] = "cryodose"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called after the build."""
        shutil.rmtree(getattr(self, "_folder", ""), ignore_errors=True)

    def _run(self, root: Path, *words: str) -> None:
        command = [sys.executable, *words]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{words[1]}: {done.stderr.strip()}")
