"""Shows T-SQL to sqlfluff's parser: a JSON object of names and batches on standard input, one of names and complaints on standard output."""
import json
import re
import sys

from sqlfluff.core import FluffConfig, Linter

linter = Linter(config=FluffConfig(overrides={"dialect": "tsql", "large_file_skip_byte_limit": 0}))
complaints = {}
for name, batch in json.load(sys.stdin).items():
    # An option of CREATE USER that this parser has not heard of. Source: Microsoft Learn, CREATE USER, TYPE = [ E | X ].
    known = re.sub(r"(CREATE USER .* WITH SID = 0x[0-9a-fA-F]{32}), TYPE = [EX]", r"\1", batch)
    # A bracket within brackets is doubled, which this parser takes for their end. Source: Microsoft Learn, Database identifiers.
    known = re.sub(r"\[[^\[\]]*(?:\]\][^\[\]]*)+\]", lambda found: found.group().replace("]]", "x"), known)
    complaints[name] = [str(violation.desc()) for violation in linter.parse_string(known + "\n").violations]
json.dump(complaints, sys.stdout)
