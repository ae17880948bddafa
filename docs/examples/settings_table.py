"""All settings of a device as CSV, with units and ranges: `python settings_table.py [PORT]`."""

import csv
import sys

from cryodose import connect

with connect(*sys.argv[1:2]) as device:
    settings = device.settings().settings
    out = csv.writer(sys.stdout)
    out.writerow(["setting", "value", "unit", "min", "max", "help"])
    for setting, value in zip(settings, device.get_all(settings), strict=True):
        out.writerow(
            [setting.key, value.value, setting.unit, setting.min, setting.max, setting.help]
        )
