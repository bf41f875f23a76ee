"""Rows by number: `decode` of faiss, an uncompressed table in torch, libdpq. Numbers come as words do in text (Zipf)."""

import faiss
import numpy as np
import torch

from assign import SHAPES, faiss_quantizer
from common import in_turn, record
from library import Table, load, zipf

BATCHES = [1024, 131072, 1 << 20]
TABLE_ROWS = 400_000


def measure(run, library, dimension, groups, codes, batches):
    table = Table(library, run.path("table.dpq"), TABLE_ROWS, dimension, groups, codes)
    rows = table.decode(np.arange(TABLE_ROWS))
    plain = torch.from_numpy(rows)
    pq = faiss_quantizer(table.codebook, dimension)

    for batch in batches:
        if 4 * batch * dimension > 2 << 30:
            continue
        count = max(batch, 131072)
        ids = zipf(np.random.default_rng(batch), count, TABLE_ROWS)
        parts = [ids[first : first + batch] for first in range(0, count, batch)]
        tensors = [torch.from_numpy(part) for part in parts]
        # Written once, so that no run pays for fresh pages.
        gathered = np.full((batch, table.packed.shape[1]), 1, np.uint8)
        out = np.full((batch, dimension), 1, np.float32)
        place, to, codes_of_batch = torch.from_numpy(out), faiss.swig_ptr(out), faiss.swig_ptr(gathered)
        calls = [table.lookup(part, out) for part in parts]

        def with_faiss():
            for part in parts:
                np.take(table.packed, part, axis=0, out=gathered, mode="clip")
                pq.decode_c(codes_of_batch, to, batch)

        # Without fetching the codes: less than the work.
        def decode_alone():
            for _ in parts:
                pq.decode_c(codes_of_batch, to, batch)

        def with_torch():
            for tensor in tensors:
                torch.index_select(plain, 0, tensor, out=place)

        def with_dpq():
            for call in calls:
                call()

        seconds = in_turn(3 * run.rounds, {
            "faiss": run.timed(with_faiss), "dpq": run.timed(with_dpq), "torch uncompressed": run.timed(with_torch),
            "faiss decode alone": run.timed(decode_alone)}, slow=20)
        with_dpq()
        yield record(
            "lookup", {"table_rows": TABLE_ROWS, "dimension": dimension, "groups": groups, "codes": codes, "batch": batch},
            run, seconds, count / 1e6, "million rows/s", "dpq", rows_equal=bool((out == rows[parts[-1]]).all()),
            gbytes_per_rate=1e-3 * (4 * dimension + table.packed.shape[1]))
    library.dpq_table_close(table.handle)


def run(run):
    if run.threads > 1:
        return  # the library starts no threads
    library = load()
    for shape in filter(lambda shape: run.wants(*shape), SHAPES[:1] if run.quick else SHAPES):
        yield from measure(run, library, *shape, BATCHES[:2] if run.quick else BATCHES)
