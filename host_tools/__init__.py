"""Host side of Cryodose: the `cryo` command and the library under it.

May import: the standard library, pyserial, platformdirs, rich, and from the firmware only the
frame code (`cryo.frame`). Nothing is imported here, so that `cryo --help` stays quick.
"""
