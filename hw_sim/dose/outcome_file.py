"""The outcomes of a campaign, kept in a file so that an interrupted run goes on.

May import the standard library. The first line holds a hash over the seed and the sources, each
other line an outcome: outcomes of other sources or another seed do not count.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO, TypeVar

T = TypeVar("T")


def key_of(seed: int, root: Path, patterns: Iterable[str]) -> str:
    """Hash over the seed and every file below `root` that one of the patterns names."""
    digest = hashlib.sha256(f"seed {seed}\n".encode())
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def kept(path: Path, key: str, of_line: Callable[[str], T]) -> list[T]:
    """The outcomes stored in a file, if its key is this one; else none, and why is printed."""
    if not path.exists():
        return []
    first, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    try:
        stored = json.loads(first).get("key")
    except ValueError:
        stored = None
    if stored != key:
        print(f"{path} is of other sources or another seed: starting again", file=sys.stderr)
        return []
    out: list[T] = []
    for text in lines:
        try:
            out.append(of_line(text))
        except (ValueError, KeyError, TypeError):  # the incomplete last line of a run
            break
    return out


def begin(file: TextIO, key: str, seed: int, lines: Iterable[str]) -> None:
    """Write the head of a file, and the outcomes that were kept."""
    file.write(json.dumps({"key": key, "seed": seed}) + "\n")
    file.writelines(line + "\n" for line in lines)
