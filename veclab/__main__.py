"""`python -m veclab` is the command `veclab`."""

from veclab.cli import main

main()
