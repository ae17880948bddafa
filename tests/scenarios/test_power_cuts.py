"""Power cuts on real MicroPython: at each write to the flash, within it, and during a freeze.

H-08, H-07, H-11, H-15. Method: power_cuts.py. Here more than 200 cuts are restarted on the emulated
board, which takes a processor some 10 minutes: `make test-emulated`, and CI each night. `make test`
makes 20 cuts during test_real_interpreter.py's treatment.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("rp2040py", reason="the emulated board needs `pip install cryodose[emulated]`")

from hw_sim.bench import FastBench
from hw_sim.emulator import EmulatedBench
from hw_sim.image import micropython
from hw_sim.image.flash import SimFlash
from tests.scenarios.conftest import arm, freezing, ready, until
from tests.scenarios.power_cuts import Cut, Cutter, committed, part_by_part, summary, verify


def a_treatment(bench: EmulatedBench, freeze: Callable[[], None]) -> None:
    """Settings over the link and by the buttons, arming, a freeze ended by release, its end."""
    for value in (3, 1):
        bench.ask("set", key="volume", value=value)
        bench.run_for(100)
    bench.press("up")
    bench.run_for(2300)
    arm(bench)
    freezing(bench)
    freeze()
    bench.release("trigger")
    until(bench, "DONE")
    bench.run_for(100)
    bench.press("select")
    arm(bench)
    bench.press("arm")
    bench.run_for(200)


@pytest.mark.hazard("H-07", "H-08", "H-11", "H-15")
@pytest.mark.emulated
@pytest.mark.nightly
@pytest.mark.parametrize("flash", ["new", "used"])
def test_power_cut_at_every_write_and_restarted(micropython_image: Path, flash: str) -> None:
    """More than a hundred cuts each, all restarted on real MicroPython."""
    bench = EmulatedBench(image=micropython_image, flash=used_flash() if flash == "used" else None)
    cutter = Cutter(
        bench,
        lambda n, w: [0, *part_by_part(n, w)],
        lambda _: True,
        lambda name, answer: print(f"{flash}: {name}: {answer}", flush=True),
    )

    def freeze() -> None:
        for i in range(30):
            cutter.during_freeze(f"freeze, moment {i}")
            bench.run_for(1 + 3.71 * i)

    def story() -> None:
        ready(bench, whole=True)  # the first start also writes; and the line is purged
        a_treatment(bench, freeze)

    results = cutter.run(story)
    print(f"\n{flash} flash, {cutter.writes} writes: {summary(results)}")
    assert len(results) >= 100
    assert sum("bounds_us" in report for report in results.values()) >= 30


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["journal", "settings", "main.py"])
def test_a_loss_would_be_seen(lost: str) -> None:
    """The checks after a cut, on a flash with something missing."""
    flash_image = used_flash()
    files = micropython.read_filesystem(flash_image)
    if lost == "journal":
        files["journal/00000001"] = files["journal/00000001"][:-64]  # the newest record
    elif lost == "settings":
        slots = ("settings_a.bin", "settings_b.bin")
        del files[max(slots, key=lambda name: files[name][8:12])]  # by their generation, < 256
    else:
        del files[lost]
    state = committed(flash_image)
    for image, is_whole in (
        (flash_image, True),
        (micropython.build_filesystem(files), lost == "main.py"),
    ):
        # (The fast bench has its own main.py.)
        bench = FastBench(flash=SimFlash(image), reflash=True)
        cut = Cut(lost, image, state, state, 0.0)
        if is_whole:
            assert verify(bench, cut) == {"true_us": 0.0}
        else:
            with pytest.raises(AssertionError):
                verify(bench, cut)


def used_flash() -> bytes:
    """An emulated board's flash with 60 records: the journal needs more than its folder's block."""
    bench = FastBench()
    ready(bench)
    for i in range(58):
        assert bench.ask("set", key="volume", value=1 + i % 3)["ok"]
    bench.cut_power()
    data = {name: content for name, content in bench.files().items() if not name.endswith(".py")}
    return micropython.build_filesystem(
        micropython.firmware_files(bench.firmware_dir, mpy=True) | data
    )
