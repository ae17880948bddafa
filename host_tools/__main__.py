"""`python -m host_tools` is the `cryo` command. Imports only `cli`."""

from host_tools.cli import main

raise SystemExit(main())
