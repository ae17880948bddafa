"""Physics of the applicator: dewar, line, valve, skin, and (imported on its own) the tissue.

SI-based floats with the unit in the name; knows no electronics, no pins and no firmware. May
import the standard library only; `hw_sim.world.plant.tissue` needs NumPy and is therefore not
imported here.
"""

from hw_sim.world.plant.device import Plant, PlantParams
from hw_sim.world.plant.jet import Jet, JetSpan
from hw_sim.world.plant.skin import SkinParams

__all__ = ["Jet", "JetSpan", "Plant", "PlantParams", "SkinParams"]
