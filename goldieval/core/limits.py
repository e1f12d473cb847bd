"""Size limits for files of unknown origin. A larger file is refused with one line before it is read into memory."""

from __future__ import annotations

MB, GB = 10**6, 10**9

YAML_BYTES = 2 * MB  # a card has 2 kB; parsing this much takes a second or two
YAML_NODES = 100_000  # values and keys, with aliases expanded
YAML_DEPTH = 40  # levels of nesting
YAML_NUMBER = 100  # characters of a number
TEXT_BYTES = 64 * MB  # lists with one item per line: class names, prompts, file names
RECORD_BYTES = 64 * MB  # a record, a folder's list of origins, the ledger
OUTCOME_BYTES = 4 * GB  # per-sample outcomes of one record
JSON_BYTES = 4 * GB  # annotations of a data set; LVIS has 1 GB
ROW_BYTES = 16 * MB  # one row of JSON Lines
PICTURE_BYTES = GB  # one encoded image or mask
SHARDS = 1_000_000  # of one web dataset
PATTERN = 4_096  # characters of a shard pattern
GROUPS = 8  # brace groups in a shard pattern

UNPACKED_FLOOR = GB  # an archive may always unpack to this size
UNPACKED_RATIO = 20  # and to this multiple of its own size
MEMBERS = 2_000_000  # of an archive
MEMBER_BYTES = 16  # minimum packed bytes per member of an archive, beyond the first 10,000
HEADER_BYTES = MB  # header of a tar member: names and PAX records

MATLAB_BYTES = 16 * MB  # annotations in a MATLAB file; those of Stanford Cars have 200 kB
MATLAB_UNPACKED = 256 * MB  # one of its variables

PARQUET_ROWS = 100_000_000  # of one file
PARQUET_RATIO = 200  # unpacked to packed bytes, beyond 1 GB
