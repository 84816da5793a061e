"""Runs veclab commands again and again, and kills some: started as a process of its own.

It imports everything once and forks for each command, so that a hundred of them take seconds.
It reads one JSON list a line, [limit, words of the command...], and answers each with the exit
code, which is -9 for one that was killed: after so many seconds, or just before or after the job's
state was saved for the n-th time ("before 2"); null kills nothing.
"""

import functools
import json
import os
import signal
import sys
import time


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
        limit, *words = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(os.devnull, os.O_RDWR), 0)
            os.dup2(2, 1)
            if isinstance(limit, str):
                die_at(folder.JobFolder, *limit.split())
            veclab(words)
        print(wait(pid, None if isinstance(limit, str) else limit), flush=True)


def die_at(kind, when, number):
    """Let this process kill itself at a save."""
    left, save = int(number), kind.save

    def counted(self):
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        save(self)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    kind.save = counted


def wait(pid, limit):
    """The exit code of a child, which is killed after `limit` seconds."""
    until = time.perf_counter() + (600 if limit is None else limit)
    while time.perf_counter() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main()
