"""libdpq through ctypes, and tables for it: random codes and codewords, in files as docs/format.md has them."""

import ctypes
import json
import os
import pathlib
import subprocess
import sys
from ctypes import c_char, c_char_p, c_int32, c_size_t, c_uint64, c_void_p

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load():
    """The library, built with its own CMake project; DPQ_LIBRARY names another to measure."""
    path = os.environ.get("DPQ_LIBRARY")
    if not path:
        build = ROOT / "Benchmarks" / "Peers" / ".cache" / "libdpq"
        for command in (["cmake", "-S", ROOT / "CKernels", "-B", build], ["cmake", "--build", build, "--target", "dpq_shared"]):
            done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stdout + done.stderr)
        path = build / "libdpq.so"
    library = ctypes.CDLL(str(path))
    pointer = c_void_p
    library.dpq_table_open.argtypes = [c_char_p, pointer, ctypes.POINTER(pointer), pointer]
    library.dpq_table_close.argtypes = [pointer]
    library.dpq_table_lookup.argtypes = [pointer, pointer, c_size_t, c_int32, pointer, c_size_t, pointer]
    library.dpq_table_bag.argtypes = [
        pointer, pointer, c_size_t, pointer, c_size_t, pointer, c_int32, c_int32, pointer, c_size_t, pointer]
    library.dpq_table_dot_workspace_bytes.argtypes = [pointer]
    library.dpq_table_dot_workspace_bytes.restype = c_size_t
    library.dpq_table_dot.argtypes = [
        pointer, pointer, pointer, c_uint64, c_size_t, pointer, c_size_t, pointer, pointer]
    return library


class Table:
    """A table of random codes in a file, opened by the library."""

    def __init__(self, library, path, rows, dimension, groups, codes, seed=1):
        generator = np.random.default_rng(seed)
        self.codes = generator.integers(0, codes, (rows, groups), dtype=np.uint8)
        self.codebook = generator.standard_normal((groups, codes, dimension // groups)).astype(np.float32)
        self.packed = pack(self.codes, codes.bit_length() - 1)
        write(path, dimension, self.packed, self.codebook)
        self.library, self.handle, self.rows, self.dimension = library, c_void_p(), rows, dimension
        message = (c_char * 256)()
        if library.dpq_table_open(str(path).encode(), None, ctypes.byref(self.handle), message):
            sys.exit(message[4:].split(b"\0")[0].decode())

    def decode(self, ids):
        """Rows by numpy."""
        codes, width = self.codes[ids], self.codebook.shape[2]
        out = np.empty((len(ids), self.dimension), np.float32)
        for group, codewords in enumerate(self.codebook):
            out[:, group * width : (group + 1) * width] = codewords[codes[:, group]]
        return out

    def lookup(self, ids, out):
        """A call that looks `ids` up, whose arguments are made beforehand."""
        arguments = (self.handle, ids.ctypes.data, len(ids), 0, out.ctypes.data, out.shape[1], None)
        return lambda function=self.library.dpq_table_lookup: function(*arguments)

    def mean(self, ids, offsets, out):
        arguments = (self.handle, ids.ctypes.data, len(ids), offsets.ctypes.data, len(offsets), None, 1, 0, out.ctypes.data,
                     out.shape[1], None)
        return lambda function=self.library.dpq_table_bag: function(*arguments)

    def products(self, query, out):
        workspace = np.zeros(self.library.dpq_table_dot_workspace_bytes(self.handle), np.uint8)
        arguments = (self.handle, query.ctypes.data, None, 0, self.rows, workspace.ctypes.data, len(workspace),
                     out.ctypes.data, None)
        call = lambda function=self.library.dpq_table_dot: function(*arguments)
        call.keep = workspace
        return call


def pack(codes, bits):
    """Codes side by side, least significant bit first."""
    if bits == 8:
        return codes
    parts = []
    for first in range(0, len(codes), 1 << 16):
        part = codes[first : first + (1 << 16), :, None] >> np.arange(bits, dtype=np.uint8) & 1
        parts.append(np.packbits(part.reshape(len(part), -1), axis=1, bitorder="little"))
    return np.concatenate(parts)


def write(path, dimension, packed, codebook):
    groups, codes, _ = codebook.shape
    metadata = {
        "format": "dpq", "format_version": 1, "rows": len(packed), "dimension": dimension, "metric": "l2",
        "assignment": "nearest", "tiers": 1, "tier.0.kind": "concat", "tier.0.groups": groups, "tier.0.codes": codes,
        "tier.0.bits": codes.bit_length() - 1, "tier.0.rows": len(packed),
    }
    # Opening does not compare checksums.
    for name in ("header", "tier.0.codes", "tier.0.codebook"):
        metadata[f"checksum.{name}"] = "0" * 16
    header = {
        "__metadata__": {key: str(value) for key, value in metadata.items()},
        "tier.0.codebook": {"dtype": "F32", "shape": codebook.shape, "data_offsets": [0, codebook.nbytes]},
        "tier.0.codes": {"dtype": "U8", "shape": packed.shape,
                         "data_offsets": [codebook.nbytes, codebook.nbytes + packed.nbytes]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        codebook.tofile(file)
        packed.tofile(file)


def zipf(generator, count, rows):
    """Ranks with a chance proportional to 1 / rank, scattered over the table."""
    ranks = np.minimum(np.exp(generator.random(count) * np.log(rows + 1)).astype(np.int64) - 1, rows - 1)
    return ranks * 2654435761 % rows
