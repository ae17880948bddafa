"""Loading and unloading of modules on demand; keeping them all would use a tenth of the heap.

May import gc, sys. Controls: none.
"""

import gc
import sys


def load(name):
    """Import cryo.`name`."""
    __import__("cryo." + name)
    return sys.modules["cryo." + name]


def unload(name):
    """Unload cryo.`name`. Idempotent."""
    if "cryo." + name in sys.modules:
        del sys.modules["cryo." + name]
        delattr(sys.modules["cryo"], name)
        gc.collect()


class loaded:
    """`with loaded("metadata") as metadata:` imports a module and unloads it afterwards."""

    def __init__(self, name):
        self._name = name

    def __enter__(self):
        return load(self._name)

    def __exit__(self, a, b, c):
        unload(self._name)
        return False
