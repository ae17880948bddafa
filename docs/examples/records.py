"""Ten lines from the port to the records: `python records.py [PORT]`.

Without PORT: the one device on USB. `sim://` is the simulated one (`pip install 'cryodose[sim]'`).
"""

import sys

from cryodose import connect

with connect(*sys.argv[1:2]) as device:
    print(device.serial, "firmware", device.identity.fw)
    for record in device.records():
        print(device.explain(record))
