"""Evidence for a reviewer: the fault matrix, power cuts at every byte, and the soak.

Each module is a command that runs the unchanged firmware on the fast bench and writes a page of
docs/. May import the standard library and the packages on the floors below.
"""
