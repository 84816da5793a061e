"""The command line: thin shells over the library. Parse, one library call, print."""

from veclab.cli.app import main

__all__ = ["main"]
