"""Records of fits, a line of JSON each: what is there is not measured again; and how their figures are told."""

import json
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np


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


def alone(function, *arguments):
    """What a function returns in a process of its own, and the peak of that process's memory (GiB), imports and all."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(with_peak, function, *arguments).result()


def with_peak(function, *arguments):
    result = function(*arguments)
    unit = 1 if sys.platform == "darwin" else 1024
    return result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def mean_and_spread(values, signed=False):
    """Mean and standard deviation over seeds, as a cell of a table; of one value itself, of none nothing."""
    if not len(values):
        return ""
    mean = f"{np.mean(values):{'+' if signed else ''}.1f}"
    return f"{mean} ({np.std(values, ddof=1):.1f})" if len(values) > 1 else mean
