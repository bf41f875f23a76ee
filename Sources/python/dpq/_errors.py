"""What goes wrong, as exceptions that are also the built-in ones a caller would expect."""

from __future__ import annotations

from typing import NoReturn


class Error(Exception):
    """What every error of this package is; `status` is the code of dpq.h, or 0."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    def __str__(self) -> str:  # KeyError and OSError would print something else
        return str(self.args[0])


class ArgumentError(Error, ValueError):
    """An argument that the function cannot take."""


class FormatError(Error, ValueError):
    """A file that is no table, is damaged, or needs a newer version."""


class FileError(Error, OSError):
    """A file that could not be read or written."""


class FileMissingError(FileError, FileNotFoundError):
    """No such file."""


class RowError(Error, IndexError):
    """A row id outside the table."""


class WordError(Error, KeyError):
    """A word that the table does not hold, or a table without words."""


class OutOfMemoryError(Error, MemoryError):
    """Not enough memory."""


_CLASSES: dict[int, type[Error]] = {
    1: ArgumentError,
    2: OutOfMemoryError,
    3: FileMissingError,
    4: FileError,
    5: FormatError,
    6: FormatError,
    7: FormatError,
    8: FormatError,
    9: RowError,
    10: WordError,
}


def raise_status(status: int, message: str) -> NoReturn:
    raise _CLASSES.get(status, Error)(message, status)
