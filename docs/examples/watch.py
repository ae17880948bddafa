"""State and readings every second: `python watch.py [PORT] [--count N]`, until Ctrl-C or N times.

The cable may be pulled and plugged in again, the device switched off and on: it goes on.
"""

import argparse
import time

from cryodose import LinkError, connect

parser = argparse.ArgumentParser()
parser.add_argument("port", nargs="?")
parser.add_argument("--count", type=int, default=0)
args = parser.parse_args()

with connect(args.port, reconnect_s=300) as device:
    done = 0
    while not args.count or done < args.count:
        try:
            status = device.status()
        except LinkError as error:  # not even after 300 s
            print(error.text, "->", error.hint)
        else:
            print(device.port, status["state"], status.get("nozzle_c_x100"), flush=True)
        done += 1
        time.sleep(0 if device.port.startswith("sim:") else 1)
