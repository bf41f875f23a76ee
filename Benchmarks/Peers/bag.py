"""Means of 40 rows: torch's int8 `embedding_bag` with a scale a row, libdpq. Tables of 600 MB as int8, beyond the caches."""

import numpy as np
import torch

from assign import SHAPES
from common import in_turn, record
from library import Table, load, zipf

INT8_BYTES = 620_000_000
LENGTH, BAGS, SETS = 40, 3277, 8
COUNT = LENGTH * BAGS


def quantized(table):
    """The rows of a table as int8, each with its scale and offset."""
    out = torch.empty((table.rows, table.dimension + 8), dtype=torch.uint8)
    for first in range(0, table.rows, 1 << 16):
        rows = np.empty((min(1 << 16, table.rows - first), table.dimension), np.float32)
        table.lookup(np.arange(first, first + len(rows)), rows)()
        out[first : first + len(rows)] = torch.ops.quantized.embedding_bag_byte_prepack(torch.from_numpy(rows))
    return out


def measure(run, library, dimension, groups, codes):
    rows = -(-INT8_BYTES // (dimension + 8))
    table = Table(library, run.path("table.dpq"), rows, dimension, groups, codes)
    peer = quantized(table)
    offsets = np.arange(BAGS, dtype=np.int64) * LENGTH
    starts, out = torch.from_numpy(offsets), np.zeros((BAGS, dimension), np.float32)
    for kind in ("zipf", "uniform"):
        generator = np.random.default_rng(5)
        # Other ids in each round, so that nothing is in the caches but what the distribution keeps there.
        ids = [zipf(generator, COUNT, rows) if kind == "zipf" else generator.integers(0, rows, COUNT) for _ in range(SETS)]
        tensors, calls = [torch.from_numpy(one) for one in ids], [table.mean(one, offsets, out) for one in ids]
        turn = {"dpq": 0, "torch int8": 0}

        def next_of(name):
            turn[name] += 1
            return turn[name] % SETS

        # torch sums; a mean would cost it more.
        def with_torch():
            torch.ops.quantized.embedding_bag_byte_rowwise_offsets(
                peer, tensors[next_of("torch int8")], starts, False, 0, False, None, None, False)

        seconds = in_turn(2 * run.rounds, {
            "torch int8": run.timed(with_torch), "dpq": run.timed(lambda: calls[next_of("dpq")]())})
        calls[0]()
        want = np.add.reduceat(table.decode(ids[0][: 100 * LENGTH]).astype(np.float64), np.arange(0, 100 * LENGTH, LENGTH))
        yield record(
            "bag", {"table_rows": rows, "dimension": dimension, "groups": groups, "codes": codes, "ids": kind}, run, seconds,
            COUNT / 1e6, "million ids/s", "dpq", rows_equal=bool(np.abs(out[:100] - want / LENGTH).max() < 1e-5))
    library.dpq_table_close(table.handle)


def run(run):
    if run.threads > 1:
        return  # the library starts no threads
    library = load()
    for shape in filter(lambda shape: run.wants(*shape), SHAPES[:1] if run.quick else SHAPES):
        yield from measure(run, library, *shape)
