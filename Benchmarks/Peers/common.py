"""What every comparison needs: running contenders in turn, `dpq bench`, and checks against float64."""

import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np


# After a pause a processor needs some tens of milliseconds to reach its speed: `dpq bench` warms up as long.
WARM_UP = 0.1


class Run:
    """Settings of one worker process: it measures at one number of threads."""

    def __init__(self, dpq, threads, rounds, quick, folder, shapes=None):
        self.dpq, self.threads, self.rounds, self.quick, self.folder = dpq, threads, rounds, quick, folder
        self.shapes = shapes

    def wants(self, dimension, groups, codes):
        """Whether a shape is among those asked for."""
        return not self.shapes or f"{dimension},{groups}x{codes}" in self.shapes

    def path(self, name):
        return os.path.join(self.folder, name)

    def bench(self, kernel, *options, repeat=3):
        """Runs `dpq bench` and returns its report."""
        command = [self.dpq, "bench", kernel, "--threads", self.threads, "--repeat", repeat, "--json", "--force", *options]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
        return json.loads(done.stdout)

    def seconds(self, report):
        """The seconds of a report that compare with those of `timed`."""
        return report["processor_seconds_all" if self.threads == 1 else "seconds_all"]

    def timed(self, function):
        """A contender that does its work once and says how many seconds it took.

        One thread is timed by what the processor worked for the process: other processes that take the processor away
        then do not count. Several threads are timed by the clock on the wall. Short work is repeated until the processor
        is warm, and the last run counts.
        """
        clock = time.process_time if self.threads == 1 else time.perf_counter

        def once():
            warm = time.perf_counter() + WARM_UP
            while True:
                start = clock()
                function()
                seconds = clock() - start
                if time.perf_counter() >= warm:
                    return [seconds]

        return once


# Threads that have no more work look for some for a while (OpenBLAS for 2^26 cycles), in the time of whoever is next.
PAUSE = 0.1


def in_turn(rounds, contenders, slow=1.0):
    """Seconds of each contender: a run to warm up, then one after another, round after round, with pauses between.

    A run of more than `slow` seconds has no need of a warm-up: the first counts, and one more.
    """
    seconds = {}
    for name, contender in contenders.items():
        time.sleep(PAUSE)
        first = contender()
        seconds[name] = first if max(first) > slow else []
    for _ in range(rounds):
        for name, contender in contenders.items():
            if len(seconds[name]) < 2 or max(seconds[name]) <= slow:
                time.sleep(PAUSE)
                seconds[name] += contender()
    return seconds


def record(work, shape, run, seconds, amount, unit, ours, **more):
    """One result: rates are `amount` of `unit` a second. `ours` names the contender that is this project's."""
    contenders = {}
    for name, all_seconds in seconds.items():
        middle = statistics.median(all_seconds)
        contenders[name] = {
            "seconds": middle, "seconds_all": all_seconds, "rate": amount / middle,
            "best_rate": amount / min(all_seconds), "spread": (max(all_seconds) - min(all_seconds)) / middle,
        }
    return {"work": work, "shape": shape, "threads": run.threads, "unit": unit, "ours": ours,
            "load": os.getloadavg()[0], "contenders": contenders, **more}


def distances(rows, codebook, codes, places):
    """Squared distances in float64 of the groups `places` (row, group) to the codewords that `codes` names."""
    row, group = places
    width = codebook.shape[2]
    parts = rows.reshape(len(rows), codebook.shape[0], width)[row, group].astype(np.float64)
    return ((parts - codebook[group, codes[row, group]].astype(np.float64)) ** 2).sum(axis=1)


def compare_codes(rows, codebook, ours, theirs):
    """How two codings differ: the places where they do, and by how much the distances there differ, in float64.

    `nearer` is the largest relative amount by which theirs is nearer than ours: nothing but ties means 0.
    """
    places = np.nonzero(ours != theirs)
    if len(places[0]) == 0:
        return {"different": 0, "of": int(ours.size), "nearer": 0.0, "farther": 0.0}
    mine = distances(rows, codebook, ours, places)
    other = distances(rows, codebook, theirs, places)
    gap = (mine - other) / np.maximum(np.maximum(mine, other), 1e-300)
    return {"different": int(len(places[0])), "of": int(ours.size), "nearer": float(max(0.0, gap.max())),
            "farther": float(max(0.0, -gap.min()))}
