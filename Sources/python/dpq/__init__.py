"""Embedding tables compressed by product quantization: rows, bags, products and neighbours from .dpq files.

>>> table = dpq.open("words.dpq")
>>> table["cat"].shape
(8,)
"""

from ._compress import compress
from ._errors import (
    ArgumentError,
    Error,
    FileError,
    FileMissingError,
    FormatError,
    OutOfMemoryError,
    RowError,
    WordError,
)
from ._library import version as _version
from ._table import Neighbor, Table, Tier, Words, from_buffer, open

__version__ = _version()

__all__ = [
    "ArgumentError",
    "Error",
    "FileError",
    "FileMissingError",
    "FormatError",
    "Neighbor",
    "OutOfMemoryError",
    "RowError",
    "Table",
    "Tier",
    "WordError",
    "Words",
    "compress",
    "from_buffer",
    "open",
]
