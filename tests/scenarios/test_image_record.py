"""What runs is in the record of each start, on real MicroPython, with the image as it ships."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from host_tools.records import decode
from hw_sim.bench.journal_records import BOOT, KINDS
from hw_sim.benchmarks.emulated.device import Device
from hw_sim.image import release


@pytest.mark.emulated
def test_each_start_records_which_image_runs(micropython_image: Path) -> None:
    files = release.shipped_files()
    device = Device(release.FIRMWARE, files=files)
    device.switch_on()
    page = device.ok("log", **{"from": 1, "max": 1})
    boot = decode(base64.b64decode(page["records"][0]))
    assert boot.kind == BOOT
    told = dict(zip(KINDS[BOOT][1], boot.arguments, strict=True))
    image = f"{told['image']:07x}{told['image_more']:07x}"
    assert image == json.loads(files["manifest.json"])["image"]
