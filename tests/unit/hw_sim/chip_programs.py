"""Small programs on the fake chip, for the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

from hw_sim.bench import FastBench


def bench_with(tmp_path: Path, main: str, *, files: dict[str, str] | None = None, **options: Any
               ) -> FastBench:  # fmt: skip
    """A bench, switched off, with `main` as its main.py."""
    folder = tmp_path / "firmware"
    folder.mkdir(exist_ok=True)
    for name, text in {"main.py": main, **(files or {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return FastBench(folder, calibrated=False, **options)


def printed(tmp_path: Path, main: str, ms: float = 200, **options: Any) -> str:
    """What a program prints in its first `ms`, once USB is there."""
    program = "import time\ntime.sleep_ms(20)\n" + dedent(main)
    bench = bench_with(tmp_path, program, **options)
    bench.power_on()
    bench.run_for(ms)
    text = bench.host_read().decode().replace("\r\n", "\n")
    return text.split("MicroPython v1.23.0 on")[0]
