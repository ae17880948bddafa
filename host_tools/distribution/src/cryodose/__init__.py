"""Cryodose: the host side of a hand-held liquid nitrogen applicator. Imports nothing.

`python -m cryodose`, or the script `cryo`, is the command (docs/cryo.md).
"""
