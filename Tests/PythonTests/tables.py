"""Small .dpq files, written from docs/format.md with numpy alone, and their rows."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xxhash


@dataclass
class Sample:
    path: Path
    rows: np.ndarray  # what the file decodes to, float32
    words: list[str] | None


def write_table(
    path: Path,
    codes: np.ndarray,
    codebook: np.ndarray,
    dimension: int,
    words: list[str] | None = None,
    norms: tuple[np.ndarray, np.ndarray] | None = None,
) -> Sample:
    """codes [rows, groups]; codebook [groups or 1, codes, width]; norms: (codes [rows], lengths [256])."""
    count, groups = codes.shape
    books, size, width = codebook.shape
    bits = max(int(size - 1).bit_length(), 1)
    row_bits = np.zeros((count, -(-groups * bits // 8) * 8), np.uint8)
    for group in range(groups):
        for bit in range(bits):
            row_bits[:, group * bits + bit] = codes[:, group] >> bit & 1
    tensors = {}
    if words is not None:
        encoded = [word.encode() for word in words]
        tensors["vocabulary.offsets"] = np.cumsum([0, *map(len, encoded)]).astype("<u8")
        tensors["vocabulary.order"] = np.array(sorted(range(count), key=lambda i: (encoded[i], i)), "<u8")
    if norms is not None:
        tensors["norm.codebook"] = norms[1].astype("<f4")
    tensors["tier.0.codebook"] = codebook
    if norms is not None:
        tensors["norm.codes"] = norms[0].astype(np.uint8)
    tensors["tier.0.codes"] = np.packbits(row_bits, axis=1, bitorder="little")
    if words is not None:
        tensors["vocabulary.bytes"] = np.frombuffer(b"".join(encoded), np.uint8)

    names = {"u8": "U64", "f4": "F32", "f2": "F16", "u1": "U8"}
    metadata = {"format": "dpq", "format_version": "1", "rows": count, "dimension": dimension, "assignment": "nearest"}
    metadata |= {"metric": "cosine" if norms else "l2", "tiers": 1, "tier.0.kind": "concat", "tier.0.groups": groups}
    metadata |= {"tier.0.codes": size, "tier.0.bits": bits, "tier.0.rows": count, "recipe": '{"method":"test"}'}
    entries, data = {}, b""
    for name, tensor in tensors.items():
        begin = len(data)
        data += tensor.tobytes()
        metadata[f"checksum.{name}"] = xxhash.xxh3_64_hexdigest(tensor.tobytes())
        entries[name] = {
            "dtype": names[tensor.dtype.str[1:]],
            "shape": list(tensor.shape),
            "data_offsets": [begin, len(data)],
        }
    metadata["checksum.header"] = "0" * 16
    header = json.dumps({"__metadata__": {k: str(v) for k, v in metadata.items()}, **entries})
    header += " " * (-(len(header) + 8) % 64)
    header = header.replace("0" * 16, xxhash.xxh3_64_hexdigest(header.encode()))
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + data)

    wide = codebook.astype(np.float32)
    rows = np.concatenate([wide[group if books > 1 else 0][codes[:, group]] for group in range(groups)], axis=1)
    rows = rows[:, :dimension]
    if norms is not None:
        rows = rows * norms[1].astype(np.float32)[norms[0]][:, None]
    return Sample(path, np.ascontiguousarray(rows, np.float32), words)


def random_table(path: Path, *, rows: int = 300, dimension: int = 50, words: bool = True, cosine: bool = False,
                 seed: int = 1) -> Sample:
    random = np.random.default_rng(seed)
    groups, size = 17, 32  # codes cross bytes, the last group is padded
    width = -(-dimension // groups)
    codebook = random.standard_normal((groups, size, width)).astype("<f4")
    codebook[-1, :, dimension - (groups - 1) * width :] = 0
    codes = random.integers(0, size, (rows, groups))
    norms = (random.integers(0, 256, rows), np.arange(256) / 64.0) if cosine else None
    names = ["", "naïve", "new york", "😀"] + [f"w{i}" for i in range(4, rows)] if words else None
    return write_table(path, codes, codebook, dimension, names, norms)


def words_table(path: Path) -> Sample:
    """Five words, of which the animals and the drinks are near each other."""
    codes = np.array([[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 2], [5, 6, 7, 8], [5, 6, 7, 9]])
    codebook = np.random.default_rng(7).standard_normal((4, 16, 2)).astype("<f4")
    return write_table(path, codes, codebook, 8, ["cat", "dog", "horse", "tea", "coffee"])
