"""The names allowed in the fakes are those of the real interpreter, on each image.

`hw_sim.fakes.names` was written from the oldest MicroPython's own `dir()`; here it is compared
again. A newer one may have more names, and must have those.
"""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.emulator import EmulatedBench
from hw_sim.fakes.names import CLASSES, MODULES
from hw_sim.image import micropython

pytestmark = pytest.mark.emulated

# Loading these from the image's frozen files takes long, and the fakes do not provide them.
LEFT_OUT = {"asyncio"}
PROGRAM = """
import time
HIDDEN = {"__class__", "__dict__", "__name__", "__bases__"}
time.sleep_ms(100)
for line in open("names"):
    name, *known = line.split()
    module, _, rest = name.partition(".")
    thing = __import__(module)
    if rest:
        thing = getattr(thing, rest)
    real = set(dir(thing)) - HIDDEN
    for word in set(known) - real:
        print("missing:", name, word)
    for word in real - set(known):
        print("new:", name, word)
print("compared")
"""


def test_the_fakes_names_are_the_real_interpreters(any_micropython: Path) -> None:
    names = {k: v for k, v in {**MODULES, **CLASSES}.items() if k not in LEFT_OUT}
    lines = "".join(f"{name} {' '.join(sorted(known))}\n" for name, known in sorted(names.items()))
    files = {"main.py": PROGRAM.encode(), "names": lines.encode()}
    bench = EmulatedBench(files=files, image=any_micropython)
    bench.power_on()
    output = bytearray()

    def done() -> bool:
        output.extend(bench.host_read())
        return b"compared" in output or b"Error" in output

    assert bench.run_until(done, 20_000), bytes(output)
    differences = output.decode().replace("\r", "").partition("compared")[0].splitlines()
    if any_micropython.name == micropython.IMAGE_NAME:
        assert differences == []
    assert [line for line in differences if not line.startswith("new: ")] == []
    assert b"compared" in output, output.decode()
