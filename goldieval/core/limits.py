"""How large a stranger's file may be. What is larger is refused in one line before it is read into memory."""

from __future__ import annotations

MB, GB = 10**6, 10**9

YAML_BYTES = 2 * MB  # a card has 2 kB; this many are parsed in a second or two
YAML_NODES = 100_000  # values and keys, aliases written out
YAML_DEPTH = 40  # levels of nesting
YAML_NUMBER = 100  # characters of a number
TEXT_BYTES = 64 * MB  # lists of lines: class names, prompts, file names
RECORD_BYTES = 64 * MB  # a record, what says where a folder's files come from, a ledger
OUTCOME_BYTES = 4 * GB  # per-sample outcomes of one record
JSON_BYTES = 4 * GB  # annotations of a data set; LVIS has 1 GB
ROW_BYTES = 16 * MB  # one row of JSON Lines
PICTURE_BYTES = GB  # one encoded picture or mask
SHARDS = 1_000_000  # of one web dataset
PATTERN = 4_096  # characters of a pattern that names shards
GROUPS = 8  # of braces in it

UNPACKED_FLOOR = GB  # an archive may always unpack to this much
UNPACKED_RATIO = 20  # and to this many times its own size
MEMBERS = 2_000_000  # of an archive
MEMBER_BYTES = 16  # of an archive for each member, beyond the first 10,000
HEADER_BYTES = MB  # of a tar's member: names and PAX records

PARQUET_ROWS = 100_000_000  # of one file
PARQUET_RATIO = 200  # unpacked to packed bytes, beyond 1 GB
