"""Products of one vector with all rows: numpy's OpenBLAS over the whole float32 table, libdpq over the codes."""

import numpy as np

from assign import SHAPES
from common import in_turn, record
from library import Table, load

TABLE_ROWS = 400_000


def measure(run, library, dimension, groups, codes):
    table = Table(library, run.path("table.dpq"), TABLE_ROWS, dimension, groups, codes)
    rows = table.decode(np.arange(TABLE_ROWS))
    query = np.random.default_rng(2).standard_normal(dimension).astype(np.float32)
    out, theirs = np.zeros(TABLE_ROWS, np.float32), np.zeros(TABLE_ROWS, np.float32)
    ours = table.products(query, out)
    seconds = in_turn(2 * run.rounds, {
        "numpy sgemv": run.timed(lambda: np.dot(rows, query, out=theirs)), "dpq": run.timed(ours)})
    part = rows[:10000].astype(np.float64)
    gap = np.abs(out[:10000] - part @ query) / (np.abs(part) @ np.abs(query))
    yield record("dot", {"table_rows": TABLE_ROWS, "dimension": dimension, "groups": groups, "codes": codes}, run, seconds,
                 TABLE_ROWS / 1e6, "million rows/s", "dpq", rows_equal=bool(gap.max() < 1e-5))
    library.dpq_table_close(table.handle)


def run(run):
    if run.threads > 1:
        return  # the library starts no threads
    library = load()
    for shape in filter(lambda shape: run.wants(*shape), SHAPES[:1] if run.quick else SHAPES):
        yield from measure(run, library, *shape)
