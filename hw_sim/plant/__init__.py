"""Physics of the applicator: dewar, line, valve, skin, and (imported on its own) the tissue.

SI-based floats with the unit in the name; knows no electronics, no pins and no firmware. May
import the standard library only; `hw_sim.plant.tissue` needs NumPy and is therefore not imported
here.
"""

from hw_sim.plant.device import Jet, JetSpan, Plant, PlantParams
from hw_sim.plant.skin import SkinParams

__all__ = ["Jet", "JetSpan", "Plant", "PlantParams", "SkinParams"]
