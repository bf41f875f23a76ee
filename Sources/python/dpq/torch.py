"""Compressed tables as frozen PyTorch modules. Needs torch, which the rest of the package does not."""

from __future__ import annotations

import os
from typing import Literal

import torch

from ._table import Table
from ._table import open as open_table

__all__ = ["Embedding", "EmbeddingBag"]


class _Frozen(torch.nn.Module):
    """A module over a table: nothing to train, nothing in the state; it answers on the processor's memory."""

    def __init__(self, table: Table | str | os.PathLike[str]) -> None:
        super().__init__()
        self.table = table if isinstance(table, Table) else open_table(table)
        self.num_embeddings, self.embedding_dim = self.table.shape

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, frozen"


def _ids(ids: torch.Tensor) -> torch.Tensor:
    return ids.detach().to("cpu", torch.int64).contiguous()


class Embedding(_Frozen):
    """As torch.nn.Embedding, frozen: ids of any shape to float32 rows on the ids' device.

    `padding_idx`: ids that give zeros whatever the table holds.

    >>> layer = dpq.torch.Embedding("words.dpq")
    >>> layer(torch.tensor([[0, 1, 2]])).shape
    torch.Size([1, 3, 8])
    """

    def __init__(self, table: Table | str | os.PathLike[str], padding_idx: int | None = None) -> None:
        super().__init__(table)
        self.padding_idx = padding_idx

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        where = _ids(ids)
        rows = torch.empty((*where.shape, self.embedding_dim))
        self.table.lookup(where.numpy(), rows.numpy())
        if self.padding_idx is not None:
            rows[where == self.padding_idx] = 0
        return rows.to(ids.device)


class EmbeddingBag(_Frozen):
    """As torch.nn.EmbeddingBag, frozen: sums or means of rows without the rows being made.

    >>> layer = dpq.torch.EmbeddingBag("words.dpq", mode="mean")
    >>> layer(torch.tensor([0, 1, 2, 3]), torch.tensor([0, 3])).shape
    torch.Size([2, 8])
    """

    def __init__(self, table: Table | str | os.PathLike[str], mode: Literal["sum", "mean"] = "mean") -> None:
        super().__init__(table)
        self.mode: Literal["sum", "mean"] = mode

    def forward(
        self, ids: torch.Tensor, offsets: torch.Tensor | None = None, per_sample_weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        where = _ids(ids)
        starts = None if offsets is None else _ids(offsets).numpy()
        bags = where.shape[0] if starts is None else len(starts)
        sums = torch.empty((bags, self.embedding_dim))
        weights = None if per_sample_weights is None else per_sample_weights.detach().float().cpu().numpy()
        self.table.bag(where.numpy(), starts, self.mode, weights, out=sums.numpy())
        return sums.to(ids.device)
