"""A board whose application is a subclass of the firmware's: for measurements inside the device.

May import the standard library and `hw_sim.image.micropython`.
"""

from __future__ import annotations

from pathlib import Path

from hw_sim.bench.link_client import NotAsExpected
from hw_sim.image import micropython

_MAKES_APP = b"app = App(Board(row))"
_MAKES_SUBCLASS = b"from measured import measured; app = measured(App)(Board(row))"


def files(
    firmware: Path, source: bytes, *, unused_globals: int = 0, mpy: bool = True
) -> dict[str, bytes]:
    """Changed files of the board, by path: `main.py`, and the module with the subclass.

    `source`: a module whose `measured(App)` returns a subclass of the application; `mpy`: compile
    it. `unused_globals` are added to main.py: nothing reads them, but the heap's layout changes.
    NotAsExpected if main.py does not create the application in the expected way.
    """
    main = (firmware / "main.py").read_bytes()
    if main.count(_MAKES_APP) != 1:
        raise NotAsExpected(f"main.py has no {_MAKES_APP!r}")
    unused = b"".join(b"unused_%d = 0\n" % i for i in range(unused_globals))
    head, rest = main.split(b"\nimport ", 1)
    main = head + b"\n" + unused + b"import " + rest
    module = (
        {"measured.mpy": micropython.compiled(source, "measured.py")}
        if mpy
        else {"measured.py": source}
    )
    return {"main.py": main.replace(_MAKES_APP, _MAKES_SUBCLASS), **module}
