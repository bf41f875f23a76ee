"""The C interface, dpq.h, through ctypes; nothing outside this package uses it."""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, byref, c_char, c_char_p, c_float, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path

from ._errors import raise_status

_NAME = "libdpq.dylib" if sys.platform == "darwin" else "libdpq.so"

OUTSIDE = {"error": 0, "zero": 1, "last": 2}
BAG = {"sum": 0, "mean": 1}
SEARCH = {"cosine": 0, "dot": 1, "l2": 2}
OPEN = {"map": 0, "read": 1, "large_pages": 2}
KIND = {0: "concat", 1: "binary"}
METRIC = {0: "l2", 1: "cosine"}
FLOAT16 = 1
NOT_FOUND = 3


class ErrorRecord(ctypes.Structure):
    _fields_ = [("status", c_int32), ("message", c_char * 252)]


class OpenOptions(ctypes.Structure):
    _fields_ = [("struct_size", c_size_t), ("flags", c_uint32)]


class Description(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("rows", c_uint64),
        ("dimension", c_uint64),
        ("file_bytes", c_uint64),
        ("header_bytes", c_uint64),
        ("metric", c_int32),
        ("assignment", c_int32),
        ("tiers", c_uint32),
        ("has_vocabulary", c_int32),
    ]


class TierDescription(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("rows", c_uint64),
        ("groups", c_uint64),
        ("codes", c_uint64),
        ("width", c_uint64),
        ("row_bytes", c_uint64),
        ("bits", c_uint32),
        ("kind", c_int32),
        ("codebook_type", c_int32),
        ("shared", c_int32),
    ]


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL(str(Path(__file__).with_name(_NAME)))
    error, table, out_size = POINTER(ErrorRecord), c_void_p, POINTER(c_size_t)
    signatures = {
        "version": (c_uint32, []),
        "table_open": (c_int32, [c_char_p, POINTER(OpenOptions), POINTER(c_void_p), error]),
        "table_open_memory": (c_int32, [c_void_p, c_size_t, POINTER(c_void_p), error]),
        "table_close": (None, [table]),
        "table_describe": (c_int32, [table, POINTER(Description)]),
        "table_describe_tier": (c_int32, [table, c_uint32, POINTER(TierDescription)]),
        "table_tiers": (c_int32, [table, c_void_p, c_size_t, c_void_p, error]),
        "table_metadata": (c_char_p, [table, c_char_p]),
        "table_verify": (c_int32, [table, error]),
        "table_find": (c_int32, [table, c_char_p, c_size_t, POINTER(c_int64), error]),
        "table_word": (c_int32, [table, c_int64, POINTER(c_void_p), out_size, error]),
        "table_lookup": (c_int32, [table, c_void_p, c_size_t, c_int32, c_void_p, c_size_t, error]),
        "table_lookup_as_workspace_bytes": (c_size_t, [table]),
        "table_lookup_as": (
            c_int32,
            [table, c_void_p, c_size_t, c_int32, c_int32, c_void_p, c_size_t, c_void_p, c_size_t, error],
        ),
        "table_read": (c_int32, [table, c_uint64, c_size_t, c_void_p, c_size_t, error]),
        "table_bag": (
            c_int32,
            [table, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_int32, c_int32, c_void_p, c_size_t, error],
        ),
        "table_dot_workspace_bytes": (c_size_t, [table]),
        "table_dot": (
            c_int32,
            [table, c_void_p, c_void_p, c_uint64, c_size_t, c_void_p, c_size_t, c_void_p, error],
        ),
        "table_neighbors_workspace_bytes": (c_size_t, [table, c_size_t]),
        "table_neighbors": (
            c_int32,
            [
                *(table, c_void_p, c_int32, c_size_t, c_int64, c_void_p, c_size_t),
                *(POINTER(c_int64), POINTER(c_float), out_size, error),
            ],
        ),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, f"dpq_{name}")
        function.restype = result
        function.argtypes = arguments
    return library


library = _load()


def version() -> str:
    number = library.dpq_version()
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"


def call(name: str, *arguments: object) -> None:
    """Calls a function whose last argument is a dpq_error, and raises what it reports."""
    record = ErrorRecord()
    status = getattr(library, f"dpq_{name}")(*arguments, byref(record))
    if status:
        raise_status(status, record.message.decode("utf-8", "replace"))


def find(table: c_void_p, word: bytes) -> int | None:
    """Row of a word, or None where the table does not hold it."""
    record, row = ErrorRecord(), c_int64()
    status = library.dpq_table_find(table, word, len(word), byref(row), byref(record))
    if status == NOT_FOUND:
        return None
    if status:
        raise_status(status, record.message.decode("utf-8", "replace"))
    return row.value
