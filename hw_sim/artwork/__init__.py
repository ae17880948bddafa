"""Everything that draws the pictures, fonts and texts that ship in docs/ and firmware/."""
