"""How the wheel `cryodose` is made of this repository (docs/release.md). Not in the wheel itself.

`src` has what exists only as the package `cryodose`; an editable install finds it there.
"""
