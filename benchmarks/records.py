"""Records of fits, a line of JSON each: what is there is not measured again."""

import json


def read(path):
    """All records, in the order in which they were made."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def keep(path, record):
    """Print a record, and add it to a file, if there is one."""
    print(json.dumps(record), flush=True)
    if path is not None:
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(record) + "\n")
