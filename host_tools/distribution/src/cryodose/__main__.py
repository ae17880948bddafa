"""`python -m cryodose` is the `cryo` command, and so is the script `cryo`. Imports only `cli`."""

from host_tools.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
