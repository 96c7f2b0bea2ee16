"""What every builder of streams can do."""

from __future__ import annotations

from typing import Protocol

from bioncl.streams.source import DataSource
from bioncl.streams.stream import Stream


class StreamBuilder(Protocol):
    """Settings of a stream: a frozen dataclass that can make it."""

    def build(self, source: DataSource, seed: int) -> Stream:
        """Make the stream from labelled data; chance comes from `seed` alone."""
