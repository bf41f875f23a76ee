"""Rows by number: `decode` of faiss, an uncompressed table in torch, dpq. Numbers come as words do in text (Zipf)."""

import json

import faiss
import numpy as np
import torch

from assign import faiss_quantizer, unpack
from common import in_turn, record

SHAPES = [(300, 50, 256), (768, 96, 256), (128, 16, 256), (300, 100, 32), (512, 128, 16)]
BATCHES = [1024, 131072, 1 << 20]
TABLE_ROWS = 200_000


def read_table(path):
    """Packed codes and codebook of a .dpq file."""
    with open(path, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])

    def tensor(name, dtype):
        entry = header[name]
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        return np.frombuffer(data[begin:end], dtype).reshape(entry["shape"])

    return tensor("tier.0.codes", np.uint8), tensor("tier.0.codebook", np.float32)


def zipf(generator, count, rows):
    """Ranks with a chance proportional to 1 / rank, scattered over the table."""
    ranks = np.minimum(np.exp(generator.random(count) * np.log(rows + 1)).astype(np.int64) - 1, rows - 1)
    return ranks * 2654435761 % rows


def measure(run, dimension, groups, codes, batches):
    path = run.path("table.dpq")
    made = ["--rows", TABLE_ROWS, "--dimension", dimension, "--groups", groups, "--codes", codes]
    run.bench("lookup", *made, "--table-out", path, "--count", 1, repeat=1)
    packed, codebook = read_table(path)
    width = codebook.shape[2]
    table = np.empty((TABLE_ROWS, dimension), np.float32)
    elements = unpack(packed, groups, codes)
    for group in range(groups):
        table[:, group * width : (group + 1) * width] = codebook[group, elements[:, group]]
    plain = torch.from_numpy(table)
    pq = faiss_quantizer(codebook, dimension)

    for batch in batches:
        if 4 * batch * dimension > 2 << 30:
            continue
        count = max(batch, 131072)
        ids = zipf(np.random.default_rng(batch), count, TABLE_ROWS)
        np.save(run.path("ids.npy"), ids)
        tensor = torch.from_numpy(ids)
        # Written once, so that no run pays for fresh pages.
        gathered = np.full((batch, packed.shape[1]), 1, np.uint8)
        out = np.full((batch, dimension), 1, np.float32)
        place = torch.from_numpy(out)

        def with_faiss():
            for first in range(0, count, batch):
                np.take(packed, ids[first : first + batch], axis=0, out=gathered, mode="clip")
                pq.decode_c(faiss.swig_ptr(gathered), faiss.swig_ptr(out), batch)

        # Without fetching the codes: less than the work.
        def decode_alone():
            for first in range(0, count, batch):
                pq.decode_c(faiss.swig_ptr(gathered), faiss.swig_ptr(out), batch)

        def with_torch():
            for first in range(0, count, batch):
                torch.index_select(plain, 0, tensor[first : first + batch], out=place)

        seconds = in_turn(run.rounds, {
            "faiss": run.timed(with_faiss),
            "faiss decode alone": run.timed(decode_alone),
            "torch uncompressed": run.timed(with_torch),
            "dpq": lambda: run.seconds(run.bench(
                "lookup", "--input", path, "--ids", run.path("ids.npy"), "--batch", batch)),
        })
        np.save(run.path("few.npy"), ids[:2000])
        run.bench("lookup", "--input", path, "--ids", run.path("few.npy"), "--rows-out", run.path("rows.npy"), repeat=1)
        equal = bool((np.load(run.path("rows.npy")) == table[ids[:2000]]).all())
        yield record(
            "lookup", {"table_rows": TABLE_ROWS, "dimension": dimension, "groups": groups, "codes": codes, "batch": batch},
            run, seconds, count / 1e6, "million rows/s", "dpq", rows_equal=equal,
            gbytes_per_rate=1e-3 * (4 * dimension + packed.shape[1]))


def run(run):
    for shape in SHAPES[:1] if run.quick else SHAPES:
        yield from measure(run, *shape, BATCHES[:2] if run.quick else BATCHES)
