"""Runs veclab commands again and again, and kills some: started as a process of its own.

It imports everything once and forks for each command, so that a hundred of them take seconds.
It reads one JSON list a line, [moment, words of the command...], and answers each with the exit
code, which is -9 for one that was killed: at its n-th call of a function ("call 1000"), or just
before or after the job's state was saved for the n-th time ("before 2"); null kills nothing.
"""

import functools
import json
import os
import signal
import sys


def main():
    from veclab.cli import main as veclab
    from veclab.models.openai.batch import job_folder as folder
    from veclab.models.openai.batch import jobs, pack, remote, submit
    from veclab.models.openai.endpoint import find_access
    from veclab.models.openai.token_counts import ExactCounter

    # Whatever is imported or loaded at first use is so here.
    ExactCounter("cl100k_base").count(["hello"])
    assert remote.Remote(find_access(), "0" * 32, 0.0)._making.batches
    assert jobs.Cache
    remote.PAUSE_S, submit.SETTLE_S = 0.01, 0.3
    pack.Packing = functools.partial(pack.Packing, batch_inputs=50)
    for line in sys.stdin:
        moment, *words = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(2, 1)
            if moment is not None:
                die_at(folder.JobFolder, *moment.split())
            veclab(words)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def die_at(kind, when, number):
    """Let this process kill itself at a save, or at a call."""
    left, save = int(number), kind.save

    def called(frame, event, _):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if when == "call":
        sys.setprofile(called)
        return

    def counted(self):
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        save(self)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    kind.save = counted


if __name__ == "__main__":
    main()
