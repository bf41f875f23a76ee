"""An open compressed table."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Iterator, Mapping, Sequence
from ctypes import byref, c_char, c_float, c_int64, c_size_t, c_void_p
from typing import Any, Literal, NamedTuple, Union, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _library
from ._errors import ArgumentError, Error, RowError, WordError
from ._library import library

Floats = NDArray[np.float32]
Outside = Literal["error", "zero", "last"]


class Neighbor(NamedTuple):
    """A row near a query. Scores of cosine and dot fall, those of l2 (squared distance) rise."""

    id: int
    score: float
    word: str | None


class Tier(NamedTuple):
    """Rows coded alike: `groups` codes of `bits` bits, each of which picks one of `codes` codewords ("concat"), or
    `groups` bits, each of which adds a vector or not ("binary")."""

    kind: str
    groups: int
    codes: int
    bits: int
    rows: int
    row_bytes: int


def _choice(name: str, value: str, choices: Mapping[str, int]) -> int:
    try:
        return choices[value]
    except (KeyError, TypeError):
        raise ArgumentError(f"{name}={value!r}: choose one of {', '.join(choices)}") from None


def _ids(ids: ArrayLike, name: str = "ids") -> NDArray[np.int64]:
    """Ids as contiguous int64, without a copy where they are that."""
    array = np.asarray(ids)
    if array.size == 0 and array.dtype == np.float64:  # an empty list
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise ArgumentError(f"{name} must be integers, not {array.dtype}")
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise RowError(f"{name} hold a number beyond every table")
    return np.require(array, np.int64, "CA")


def _floats(values: ArrayLike, name: str) -> Floats:
    """Numbers as contiguous float32, without a copy where they are that."""
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "fiu":
        raise ArgumentError(f"{name} must be numbers, not {array.dtype}")
    return np.require(array, np.float32, "CA")


def _output(
    out: NDArray[Any] | None, shape: tuple[int, ...], dtype: type[np.floating[Any]] = np.float32
) -> tuple[NDArray[Any], int]:
    """Where results go, and the values from one row to the next."""
    if out is None:
        return np.empty(shape, dtype), shape[-1] if shape else 1
    if not isinstance(out, np.ndarray) or out.dtype != dtype or out.shape != shape:
        raise ArgumentError(f"out must be a {np.dtype(dtype)} array of shape {shape}")
    if not (out.flags.writeable and out.flags.aligned):
        raise ArgumentError("out must be writeable and aligned")
    if out.flags.c_contiguous:
        return out, shape[-1] if shape else 1
    stride, rest = divmod(out.strides[0], out.itemsize)
    if out.ndim == 2 and out.strides[1] == out.itemsize and rest == 0 and stride >= shape[1]:
        return out, stride
    raise ArgumentError("out must be contiguous, or two-dimensional with contiguous rows that ascend")


class Words(Sequence[str]):
    """The words of a table in row order; each is read from the file when it is asked for."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return self._table.rows

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._table.word(i) for i in range(*index.indices(len(self)))]
        return self._table.word(index + len(self) if index < 0 else index)

    def __contains__(self, word: object) -> bool:
        return word in self._table

    def index(self, word: str, start: int = 0, stop: int | None = None) -> int:  # type: ignore[override]
        """Row of a word; ValueError where it is not there."""
        found = self._table.find(word)
        if found is None or not start <= found < (len(self) if stop is None else stop):
            raise ValueError(f"{word!r} is not in the table")
        return found

    def __iter__(self) -> Iterator[str]:
        return (self._table.word(i) for i in range(len(self)))


class Table:
    """A compressed embedding table; `dpq.open` makes one.

    Every method but `close` may be called from many threads at once; the interpreter is free while the library works.

    >>> table = dpq.open("words.dpq")
    >>> table.shape
    (5, 8)
    >>> table["cat"].dtype, table["cat"].shape
    (dtype('float32'), (8,))
    >>> "cat" in table, "unicorn" in table
    (True, False)
    """

    def __init__(self, handle: c_void_p, name: str, keep: object = None) -> None:
        self._handle: c_void_p | None = handle
        self._name = name
        self._keep = keep  # memory that the library reads
        self._finalizer = weakref.finalize(self, library.dpq_table_close, handle)
        about = _library.Description(struct_size=ctypes.sizeof(_library.Description))
        library.dpq_table_describe(handle, byref(about))
        self._rows, self._dimension = int(about.rows), int(about.dimension)
        self._metric: str = _library.METRIC[about.metric]
        self._file_bytes = int(about.file_bytes)
        self._has_words = bool(about.has_vocabulary)
        self._tiers = tuple(self._tier(index) for index in range(about.tiers))

    def _tier(self, index: int) -> Tier:
        about = _library.TierDescription(struct_size=ctypes.sizeof(_library.TierDescription))
        library.dpq_table_describe_tier(self._open, index, byref(about))
        counts = (about.groups, about.codes, about.bits, about.rows, about.row_bytes)
        return Tier(_library.KIND[about.kind], *map(int, counts))

    @property
    def _open(self) -> c_void_p:
        if self._handle is None:
            raise ArgumentError(f"the table {self._name} is closed")
        return self._handle

    # ---- life ----

    def close(self) -> None:
        """Ends the table; no other thread may be using it. Closing twice is harmless."""
        self._handle = None
        self._finalizer()
        self._keep = None

    @property
    def closed(self) -> bool:
        return self._handle is None

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self._rows} x {self._dimension}"
        return f"<dpq.Table {self._name!r}: {state}>"

    # ---- what it is ----

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self._rows

    @property
    def dimension(self) -> int:
        """Values of a row."""
        return self._dimension

    @property
    def shape(self) -> tuple[int, int]:
        return self._rows, self._dimension

    @property
    def metric(self) -> str:
        """What the codebooks describe: "l2" rows, "cosine" unit rows with a norm beside each."""
        return self._metric

    @property
    def file_bytes(self) -> int:
        """Bytes of the whole file."""
        return self._file_bytes

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """How rows are coded: one tier, or several in ascending order of bits a row."""
        return self._tiers

    def tier_of(self, ids: ArrayLike) -> NDArray[np.uint8]:
        """The tier of each row, an index into `tiers`; RowError for a row outside the table.

        >>> dpq.open("words.dpq").tier_of([0, 4])
        array([0, 0], dtype=uint8)
        """
        array = _ids(ids)
        out = np.empty(array.shape, np.uint8)
        _library.call("table_tiers", self._open, array.ctypes.data, array.size, out.ctypes.data)
        return out

    def metadata(self, key: str) -> str | None:
        """The value of a metadata key of the file ("recipe", ...), or None."""
        value: bytes | None = library.dpq_table_metadata(self._open, key.encode())
        return None if value is None else value.decode("utf-8", "replace")

    def verify(self) -> None:
        """Compares checksums and contents; raises FormatError where they do not hold. Reads the whole file."""
        _library.call("table_verify", self._open)

    def __len__(self) -> int:
        return self._rows

    # ---- words ----

    @property
    def has_words(self) -> bool:
        return self._has_words

    @property
    def words(self) -> Words:
        """The words in row order, a sequence that copies nothing.

        >>> dpq.open("words.dpq").words[:2]
        ['cat', 'dog']
        """
        if not self._has_words:
            raise WordError("the table has no words", 10)
        return Words(self)

    def word(self, row: int) -> str:
        """The word of a row."""
        start, length = c_void_p(), c_size_t()
        _library.call("table_word", self._open, row, byref(start), byref(length))
        return ctypes.string_at(start, length.value).decode("utf-8", "replace") if length.value else ""

    def find(self, word: str) -> int | None:
        """Row of a word, the lowest where it stands twice, or None.

        >>> table = dpq.open("words.dpq")
        >>> table.find("dog"), table.find("unicorn")
        (1, None)
        """
        return _library.find(self._open, word.encode("utf-8", "surrogatepass"))

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self._has_words and self.find(word) is not None

    def _row_of(self, word: str) -> int:
        row = self.find(word)
        if row is None:
            raise WordError(f"the word {word!r} is not in the table", _library.NOT_FOUND)
        return row

    # ---- rows ----

    def __getitem__(self, key: Union[str, int, slice, ArrayLike]) -> Floats:
        """A row by word or number, rows by slice, or rows by an array of ids or a list of words.

        Numbers and slices count from the end where they are negative, as in Python; the ids of an array do not.

        >>> table = dpq.open("words.dpq")
        >>> table[-1].shape, table[1:3].shape, table[["cat", "dog"]].shape, table[np.array([[0, 1], [2, 3]])].shape
        ((8,), (2, 8), (2, 8), (2, 2, 8))
        """
        if isinstance(key, str):
            return self.lookup(self._row_of(key))
        if isinstance(key, slice):
            start, stop, step = key.indices(self._rows)
            if step != 1:
                return self.lookup(np.arange(start, stop, step))
            out = np.empty((max(stop - start, 0), self._dimension), np.float32)
            _library.call("table_read", self._open, start, len(out), out.ctypes.data, self._dimension)
            return out
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            return self.lookup(key + self._rows if key < 0 else key)
        if isinstance(key, (list, tuple)) and key and all(isinstance(word, str) for word in key):
            return self.lookup([self._row_of(word) for word in key])
        return self.lookup(key)

    def __iter__(self) -> Iterator[Floats]:
        return (self[row] for row in range(self._rows))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a compressed table has no array to share: its rows are made when asked for")
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    def lookup(
        self, ids: ArrayLike, out: NDArray[Any] | None = None, *, outside: Outside = "error"
    ) -> NDArray[Any]:
        """Rows of ids of any shape: float32 of shape ids.shape + (dimension,).

        `out` receives them where it is given: contiguous, or two-dimensional with rows apart from each other, and
        float32, or float16 to have them rounded. An id outside the table raises RowError before anything is written,
        or gives zeros, or the last row.

        >>> table = dpq.open("words.dpq")
        >>> out = np.empty((3, 8), np.float32)
        >>> table.lookup([0, 4, -1], out, outside="zero") is out
        True
        >>> bool(out[2].any())
        False
        """
        rule = _choice("outside", outside, _library.OUTSIDE)
        where = _ids(ids)
        shape = where.shape + (self._dimension,)
        if getattr(out, "dtype", None) == np.float16:
            result, stride = _output(out, shape, np.float16)
            workspace = np.empty(library.dpq_table_lookup_as_workspace_bytes(self._open), np.uint8)
            _library.call(
                *("table_lookup_as", self._open, where.ctypes.data, where.size, rule, _library.FLOAT16),
                *(result.ctypes.data, stride, workspace.ctypes.data, workspace.size),
            )
            return result
        result, stride = _output(out, shape)
        _library.call(
            "table_lookup", self._open, where.ctypes.data, where.size, rule, result.ctypes.data, stride
        )
        return result

    def bag(
        self,
        ids: ArrayLike,
        offsets: ArrayLike | None = None,
        mode: Literal["sum", "mean"] = "sum",
        weights: ArrayLike | None = None,
        *,
        out: Floats | None = None,
        outside: Outside = "error",
    ) -> Floats:
        """Sums or means of runs of rows, one a bag, as torch's EmbeddingBag: float32 of shape (bags, dimension).

        Bag b is ids[offsets[b]:offsets[b + 1]], the last one up to the end; two-dimensional ids are a bag a row and
        take no offsets. `weights`, of the shape of ids, multiply the rows of a sum.

        >>> table = dpq.open("words.dpq")
        >>> np.allclose(table.bag([0, 1, 2], [0, 2]), [table[0] + table[1], table[2]])
        True
        >>> np.allclose(table.bag([[0, 1]], mode="mean"), (table[0] + table[1]) / 2)
        True
        """
        kind, rule = _choice("mode", mode, _library.BAG), _choice("outside", outside, _library.OUTSIDE)
        where = _ids(ids)
        if where.ndim == 2 and offsets is None:
            starts = np.arange(where.shape[0], dtype=np.int64) * where.shape[1]
        elif where.ndim == 1 and offsets is not None:
            starts = _ids(offsets, "offsets")
            if starts.ndim != 1:
                raise ArgumentError("offsets must have one dimension")
        else:
            raise ArgumentError("give one-dimensional ids with offsets, or two-dimensional ids without")
        factors = None if weights is None else _floats(weights, "weights")
        if factors is not None and factors.shape != where.shape:
            raise ArgumentError(f"weights of shape {factors.shape} do not fit ids of shape {where.shape}")
        if factors is not None and mode == "mean":
            raise ArgumentError("weights go with mode='sum'")
        result, stride = _output(out, (starts.size, self._dimension))
        _library.call(
            *("table_bag", self._open, where.ctypes.data, where.size, starts.ctypes.data, starts.size),
            *(None if factors is None else factors.ctypes.data, kind, rule, result.ctypes.data, stride),
        )
        return result

    # ---- products and search ----

    def _query(self, query: ArrayLike, dimensions: tuple[int, ...]) -> Floats:
        vectors = _floats(query, "the query")
        if vectors.ndim not in dimensions or vectors.shape[-1] != self._dimension:
            raise ArgumentError(f"a query of shape {vectors.shape} does not fit rows of {self._dimension} values")
        return vectors

    def dot(self, query: ArrayLike, ids: ArrayLike | None = None, out: Floats | None = None) -> Floats:
        """Products of a vector, or of each row of a matrix, with all rows or those of `ids`. No row is decoded.

        >>> table = dpq.open("words.dpq")
        >>> table.dot(table["cat"]).shape, table.dot(table[:3], [0, 1]).shape
        ((5,), (3, 2))
        """
        vectors = self._query(query, (1, 2))
        where = None if ids is None else _ids(ids)
        shape = (self._rows,) if where is None else where.shape
        result, _ = _output(out, vectors.shape[:-1] + shape)
        if not result.flags.c_contiguous:
            raise ArgumentError("out must be contiguous")
        count = self._rows if where is None else where.size
        workspace = np.empty(library.dpq_table_dot_workspace_bytes(self._open), np.uint8)
        # An address even where there are no ids: NULL would mean all rows.
        address = None if where is None else (where if where.size else np.zeros(1, np.int64)).ctypes.data
        matrix = vectors.reshape(-1, self._dimension)
        for vector, products in zip(matrix, result.reshape(len(matrix), count)):
            _library.call(
                *("table_dot", self._open, vector.ctypes.data, address, 0, count),
                *(workspace.ctypes.data, workspace.size, products.ctypes.data),
            )
        return result

    def neighbors(
        self,
        query: str | ArrayLike,
        k: int = 10,
        metric: Literal["cosine", "dot", "l2"] = "cosine",
        *,
        exclude: int | None = None,
    ) -> list[Neighbor]:
        """The k rows nearest to a word or a vector, best first; a word is not its own neighbour, nor is `exclude`.

        >>> table = dpq.open("words.dpq")
        >>> [near.word for near in table.neighbors("cat", k=2)]
        ['dog', 'horse']
        >>> table.neighbors(table["cat"], k=1)[0].word
        'cat'
        """
        search = _choice("metric", metric, _library.SEARCH)
        if k < 0:
            raise ArgumentError(f"k={k}: a count is not negative")
        if isinstance(query, str):
            row = self._row_of(query)
            query = self.lookup(row)
            exclude = row if exclude is None else exclude
        vector = self._query(query, (1,))
        k = min(k, self._rows)
        workspace = np.empty(library.dpq_table_neighbors_workspace_bytes(self._open, k), np.uint8)
        ids, scores, count = (c_int64 * max(k, 1))(), (c_float * max(k, 1))(), c_size_t()
        _library.call(
            *("table_neighbors", self._open, vector.ctypes.data, search, k, -1 if exclude is None else exclude),
            *(workspace.ctypes.data, workspace.size, ids, scores, byref(count)),
        )
        return [
            Neighbor(ids[i], scores[i], self.word(ids[i]) if self._has_words else None) for i in range(count.value)
        ]


def open(path: str | os.PathLike[str], mode: Literal["map", "read", "large_pages"] = "map") -> Table:
    """Opens a .dpq file and checks its structure.

    "map" maps the file: opening costs nothing, only what is used comes into memory. "read" reads it whole, safe from
    changes to the file. "large_pages" maps it with large pages where the system can, which makes many lookups faster.
    Raises FileMissingError, FileError or FormatError, all of them dpq.Error.

    >>> with dpq.open("words.dpq") as table:
    ...     len(table)
    5
    """
    options = _library.OpenOptions(ctypes.sizeof(_library.OpenOptions), _choice("mode", mode, _library.OPEN))
    handle = c_void_p()
    name = os.fspath(path)
    encoded = os.fsencode(name)
    if b"\0" in encoded:
        raise ArgumentError("a path holds no zero byte")
    try:
        _library.call("table_open", encoded, byref(options), byref(handle))
    except Error as error:
        error.args = (f"{name}: {error}",)
        raise
    return Table(handle, name)


def from_buffer(buffer: Any) -> Table:
    """Opens the bytes of a file that lie in memory, aligned to 8 (bytes, mmap, array, ...). Nothing is copied: they
    must not change as long as the table is open.

    >>> with builtins.open("words.dpq", "rb") as file:
    ...     table = dpq.from_buffer(file.read())
    >>> table.words[0]
    'cat'
    """
    data = np.frombuffer(buffer, np.uint8)
    handle = c_void_p()
    _library.call("table_open_memory", data.ctypes.data, data.size, byref(handle))
    return Table(handle, "<memory>", data)
