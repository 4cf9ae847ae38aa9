"""The directions of dependency, the sizes of files, and that importing leaves no trace."""

import ast
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import sklvae

PACKAGE = Path(sklvae.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# The layout of docs/architecture.md: what stands on a line may import only what stands on the lines above it.
LINES = [
    {"_labels"},
    {"nn"},
    {"objectives"},
    {"training"},
    {"graph"},
    {"labeling"},
    {"acquisition"},
    {"estimators"},
    {"metrics", "model_selection", "datasets", "plotting", "cli"},
]
LINE_OF = {part: number for number, line in enumerate(LINES) for part in line}
STRANGERS = {"objectives", "graph", "labeling", "acquisition"}
ONLY_IN = {
    "skorch": {"training"},
    "starlette": {"labeling"},
    "uvicorn": {"labeling"},
    "rich": {"labeling"},
    "PIL": {"cli"},
    "tqdm": {"cli"},
}
NEVER_IN = {"nn": {"sklearn"}}


def module_of(file):
    """sklvae/nn/_vae.py -> sklvae.nn._vae, sklvae/nn/__init__.py -> sklvae.nn.__init__."""
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)


def imported_by(source, module):
    """Yield the absolute name of everything that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            origin = [*package, *([node.module] if node.module else [])]
            yield from (".".join([*origin, alias.name]) for alias in node.names)


def broken_rules(source, module):
    """Say what a module of sklvae imports against the rules."""
    part = module.split(".")[1]
    for name in imported_by(source, module):
        top, *rest = name.split(".")
        if top == "sklvae":
            other = rest[0] if rest else None
            if other not in LINE_OF:
                yield f"{name}: import from the part that defines it, not from sklvae itself"
            elif other != part and (LINE_OF[other] >= LINE_OF[part] or {other, part} <= STRANGERS):
                yield f"{name}: {part} must not import {other}"
        elif part not in ONLY_IN.get(top, {part}):
            yield f"{name}: only {', '.join(ONLY_IN[top])} may import {top}"
        elif top in NEVER_IN.get(part, ()):
            yield f"{name}: {part} must not import {top}"


@pytest.mark.parametrize(
    "file", [file for file in FILES if file != PACKAGE / "__init__.py"], ids=lambda file: module_of(file)
)
def test_imports_point_upwards_in_the_layout(file):
    module = module_of(file)
    part = module.split(".")[1]
    assert part in LINE_OF, f"{part} has no place in the layout: give it one in LINES and docs/architecture.md"
    assert list(broken_rules(file.read_text("utf-8"), module)) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("sklvae.nn._vae", "import sklearn.utils"),
        ("sklvae.nn._vae", "from sklearn import utils"),
        ("sklvae.nn.__init__", "from ..training import Net"),
        ("sklvae.nn._vae", "from .. import objectives"),
        ("sklvae.graph._neighbors", "from ..objectives import elbo"),
        ("sklvae.acquisition._scores", "def f():\n    import sklvae.graph as g"),
        ("sklvae.labeling._oracles", "from sklvae.estimators._base import LatentEstimator"),
        ("sklvae.labeling._oracles", "from sklvae import VariationalAutoencoder"),
        ("sklvae.estimators._base", "from skorch import NeuralNet"),
        ("sklvae.estimators._base", "from .. import __version__"),
        ("sklvae.metrics", "from .plotting import plot"),
    ],
)
def test_the_walk_finds_a_wrong_import(module, source):
    assert len(list(broken_rules(source, module))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("sklvae.nn._vae", "import torch\nfrom ._networks import mlp\nfrom .._labels import UNLABELED"),
        ("sklvae.training._net", "from skorch.callbacks import Callback\nfrom ..nn import VAE"),
        ("sklvae.training.__init__", "from ._net import Net"),
        ("sklvae.estimators._base", "from sklvae.graph._neighbors import knn_graph\nfrom .. import labeling"),
        ("sklvae.metrics", "from .estimators import VariationalAutoencoder"),
    ],
)
def test_the_walk_lets_a_right_import_pass(module, source):
    assert list(broken_rules(source, module)) == []


def test_the_package_itself_only_imports():
    body = ast.parse((PACKAGE / "__init__.py").read_text("utf-8")).body
    assert ast.get_docstring(ast.Module(body, []))
    for statement in body[1:]:
        if isinstance(statement, ast.Assign):
            assert [ast.unparse(target) for target in statement.targets] in (["__version__"], ["__all__"])
        else:
            assert isinstance(statement, ast.Import | ast.ImportFrom), ast.unparse(statement)


def test_files_are_short():
    lengths = {module_of(file): len(file.read_text("utf-8").splitlines()) for file in FILES}
    assert {module: length for module, length in lengths.items() if length > 400} == {}
    assert statistics.median(lengths.values()) < 200


REPORT = """
import json, logging, os, random, signal, sys, warnings
import numpy as np, torch, sklearn, skorch

def state():
    return {
        "threads": torch.get_num_threads(),
        "interop threads": torch.get_num_interop_threads(),
        "dtype": str(torch.get_default_dtype()),
        "device": str(torch.get_default_device()),
        "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "cudnn": [torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic],
        "torch generator": torch.get_rng_state().tolist(),
        "numpy generator": str([part.tolist() if isinstance(part, np.ndarray) else part
                                for part in np.random.get_state()]),
        "python generator": str(random.getstate()),
        "numpy errors": np.geterr(),
        "numpy printing": str(np.get_printoptions()),
        "warnings": [str(entry) for entry in warnings.filters],
        "sklearn": str(sklearn.get_config()),
        "log handlers": str(logging.root.handlers),
        "log level": logging.root.level,
        "environment": dict(os.environ),
        "interrupt": str(signal.getsignal(signal.SIGINT)),
    }

before, loaded = state(), set(sys.modules)
import sklvae
print(json.dumps({"before": before, "after": state(), "new": sorted(set(sys.modules) - loaded)}))
"""


@pytest.fixture(scope="module")
def report():
    run = subprocess.run([sys.executable, "-c", REPORT], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    return json.loads(run.stdout)


def test_importing_leaves_no_trace(report):
    assert report["after"] == report["before"]


def test_importing_needs_none_of_the_optional_packages(report):
    # Only what sklvae adds counts: scikit-learn imports pandas where it is installed.
    new = {module.split(".")[0] for module in report["new"]}
    assert "sklvae" in new
    optional = {"PIL", "matplotlib", "pandas", "rich", "safetensors", "starlette", "uvicorn"}
    assert new.isdisjoint({*optional, "hypothesis", "pytest", "selenium", "skops"})
