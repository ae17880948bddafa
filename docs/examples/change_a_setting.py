"""A change that the operator confirms at the device: `python change_a_setting.py KEY VALUE [PORT]`.

VALUE is an integer in the setting's unit. Nothing is changed unless somebody holds SELECT.
"""

import sys

from cryodose import NotConfirmed, Refused, connect

key, value, *port = sys.argv[1:]
with connect(*port) as device:
    try:
        asked = device.set(key, int(value))
        if not asked.applied:
            print(f"at the device: {asked.confirm}", flush=True)
            device.wait_confirmed(asked)
    except Refused as no:
        sys.exit(f"refused: {no.text} {no.detail}")
    except NotConfirmed as no:
        sys.exit(f"{no.text} ({no.outcome})")
    print(f"{key} is {device.get(key).value}")
