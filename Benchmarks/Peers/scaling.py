"""Cost of assignment against rows, dimension and codes: one of them at a time, faiss's fastest modes and dpq."""

import assign

BASE = {"count": 8192, "dimension": 256, "groups": 64, "codes": 256}
VALUES = {
    "count": [1, 16, 256, 4096, 16384],
    "dimension": [64, 128, 256, 512, 1024],
    "codes": [16, 32, 64, 128, 256],
}


def run(run):
    for name, values in VALUES.items():
        for value in values[::2] if run.quick else values:
            shape = dict(BASE, **{name: value})
            if name == "dimension":
                shape["groups"] = value // 4
            result = assign.measure(run, **shape, names=["faiss transposed", "faiss index"])
            yield dict(result, work="scaling", against=name)
