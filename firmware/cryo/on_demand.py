"""Loading and unloading of modules on demand; keeping them all would use a tenth of the heap.

May import gc, sys. Controls: none.
"""

import gc
import sys


def load(name):
    """Import cryo.`name`."""
    __import__("cryo." + name)
    return sys.modules["cryo." + name]


def forget(name):
    """Unload cryo.`name`, its memory to be freed by a later collection, which takes 10 ms."""
    del sys.modules["cryo." + name]
    delattr(sys.modules["cryo"], name)


def unload(name):
    """Unload cryo.`name`. Idempotent."""
    if "cryo." + name in sys.modules:
        forget(name)
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
