"""Copies of a running board: variants from one moment on, without starting over.

May import the standard library. Booting the emulated board takes seconds; a fork of the process
that runs it takes milliseconds, and has the processor within an instruction, a byte on
the bus and all. So one run is enough for a power cut at each of its moments. POSIX only.
"""

from __future__ import annotations

import json
import os
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn


class CopyFailed(AssertionError):
    """What went wrong in a copy, with its traceback."""


@dataclass(slots=True)
class _Child:
    name: str
    pid: int
    fd: int


class Copies:
    """Runs a story; where it calls `split`, a copy of the process goes on as well.

    `at_once`: how many copies may run beside the story; it waits at a split for one to end.
    `on_result(name, answer)` is called as each one ends.
    """

    def __init__(
        self, at_once: int = 1, on_result: Callable[[str, Any], None] | None = None
    ) -> None:
        self.at_once = at_once
        self.on_result = on_result
        self.in_copy = False
        self._write_fd = -1
        self._running: list[_Child] = []
        self._results: dict[str, Any] = {}

    def split(self, name: str) -> bool:
        """True in the copy, False in the story. A copy of a copy is not made: False."""
        if self.in_copy:
            return False
        while len(self._running) >= self.at_once:
            self._collect()
        read_fd, write_fd = os.pipe()
        with warnings.catch_warnings():
            # A copy of a process with threads (a test runner's) has none of them; it does not
            # miss them, for it only computes and writes its result.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            os.close(read_fd)
            self.in_copy = True
            self._write_fd = write_fd
            self._running = []
            return True
        os.close(write_fd)
        self._running.append(_Child(name, pid, read_fd))
        return False

    def run(self, story: Callable[[], object]) -> dict[str, Any]:
        """Run `story` to its end; what it returned (as JSON has it) in each copy, by name.

        Whatever it raises in a copy comes out here as CopyFailed, after all copies have ended.
        """
        try:
            value = story()
        except BaseException:
            if self.in_copy:
                self._finish({"error": traceback.format_exc()})
            self._reap()
            raise
        if self.in_copy:
            self._finish({"result": value})
        self._reap()
        failed = [f"{n}: {r['error']}" for n, r in self._results.items() if "error" in r]
        if failed:
            raise CopyFailed(f"{len(failed)} of {len(self._results)} copies\n" + "\n".join(failed))
        return {name: answer["result"] for name, answer in self._results.items()}

    def _finish(self, answer: dict[str, object]) -> NoReturn:
        try:
            with os.fdopen(self._write_fd, "w") as pipe:
                json.dump(answer, pipe, default=str)
        finally:
            os._exit(0)  # nothing of the parent's is to be ended twice, whatever happens

    def _reap(self) -> None:
        while self._running:
            self._collect()

    def _collect(self) -> None:
        """Wait for the copy that was made first."""
        child = self._running.pop(0)
        with os.fdopen(child.fd) as pipe:
            text = pipe.read()
        os.waitpid(child.pid, 0)
        answer = json.loads(text) if text else {"error": "it died"}
        self._results[child.name] = answer
        if self.on_result is not None:
            self.on_result(child.name, answer)
