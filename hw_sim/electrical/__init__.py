"""The applicator's electronics: one table of parts, from which all else is made.

`parts` holds every part with its value, tolerance, nets, number and reasons. `circuits` turns the
coil's driver into SPICE, `trials` measures what safety rests on over the tolerances (ngspice),
`schematic` draws the table, `picture` the current, `page` writes docs/electrical.md and
docs/bom.md.
"""
