"""Rows of a Parquet file, through pyarrow where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from lookahead.inputs import MAX_FILE_BYTES, InputError

MAGIC = b"PAR1"
_COLUMNS = {
    *("prompt", "messages", "prompt_token_ids", "generated_tokens", "generated_text", "num_generated_tokens"),
    *("request", "response", "http_response", "answer", "category", "kind", "__inference_error__"),
}
_ROWS = 16
"""Rows in memory at a time."""


def rows(file: BinaryIO, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and fields of every row, of the columns that a recording may have.

    Raises:
        InputError: If pyarrow is not there, or the file is too large or not valid.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise InputError(f"{path}: to read Parquet install pyarrow: pip install lookahead-trie[parquet]") from None
    place = 0
    try:
        parquet = ParquetFile(file)
        layout = parquet.metadata
        size = sum(layout.row_group(index).total_byte_size for index in range(layout.num_row_groups))
        if size > MAX_FILE_BYTES:
            raise InputError(f"{path}: larger than {MAX_FILE_BYTES} bytes unpacked; split it into several files")
        columns = [name for name in parquet.schema_arrow.names if name in _COLUMNS]
        for batch in parquet.iter_batches(_ROWS, columns=columns):
            for row in batch.to_pylist():
                place += 1
                yield f"row {place}", {name: _listed(value) for name, value in row.items()}
    except (pyarrow.ArrowException, OSError):
        raise InputError(f"{path}, row {place + 1}: not valid Parquet; need a whole, undamaged file") from None


def _listed(value: Any) -> Any:
    """The same value; of one of Ray's arrays of different lengths the list."""
    return value["data"] if isinstance(value, dict) and set(value) == {"data", "shape"} else value
