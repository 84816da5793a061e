"""A child process that runs the command line and tells how far it is, a line for each step.

`python -m tests.telling STOP embed ...` prints `kept` on standard error when the vectors of a batch
are in the cache, and `writing` when a file of vectors is about to be finished. At STOP it waits to
be killed: a number of lines, or `writing`; 0 is never.
"""

import sys
import threading

from veclab.cli import main
from veclab.pipeline import embed
from veclab.vectorfiles.files import ParquetSink


def main_of(arguments: list[str]) -> None:
    stop, told = arguments[0], 0
    keep, finish = embed.keep_vectors, ParquetSink.finish

    def tell(step: str) -> None:
        nonlocal told
        told += 1
        print(step, file=sys.stderr, flush=True)
        if stop in (step, str(told)):
            threading.Event().wait()

    def keep_and_tell(*given, **options):
        keep(*given, **options)
        tell("kept")

    def tell_and_finish(*given, **options):
        tell("writing")
        finish(*given, **options)

    embed.keep_vectors, ParquetSink.finish = keep_and_tell, tell_and_finish
    main(arguments[1:])


if __name__ == "__main__":
    main_of(sys.argv[1:])
