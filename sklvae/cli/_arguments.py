"""What the commands take."""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ._label import label
from ._predict import predict

__all__ = ["parse"]

EXIT_CODES = """\
exit codes:
  0    done
  1    something is wrong with the data, the answers or the files; the message says what
  2    the command is wrong
  130  interrupted; answers are kept
"""

MAIN = f"""\
Label a large data set from a few dozen answers, and apply the model to further data.

  sklvae label photos --classes cat,dog,bird --out labels.csv
  sklvae predict labels.safetensors more_photos --out predictions.csv

`sklvae label --help` and `sklvae predict --help` explain them.

{EXIT_CODES}"""

LABEL = """\
Learn from unlabeled data, ask about the rows that tell most, and label all others.

DATA is one of
  a folder      its images, also those in its folders (PNG, JPEG, GIF, TIFF, BMP, WebP, ...)
  an .npz file  the array x, X, x_train or X_train, or the only one; labels in y or y_train count as known
  a .csv file   a table with a row of names; numbers and texts, missing ones too
"""

LABEL_EXAMPLES = f"""\
examples:
  A folder of photos, in the browser; --classes are the only ones there are, without it you add them as you go:
    sklvae label photos --classes cat,dog,bird --out labels.csv
  A table with a few labels already, in the terminal, without the columns that only name a row:
    sklvae label customers.csv --label-column churn --ignore id,name --console --out labels.csv
  On another machine, with `ssh -L 8000:127.0.0.1:8000 there` to see the page here:
    sklvae label photos --port 8000 --out labels.csv
  In a script, with a file of true labels in the place of a person:
    sklvae label photos --oracle-csv truth.csv --budget 60 --quiet --out labels.csv
  More answers for what is labeled already:
    sklvae label photos --known labels.csv --budget 50 --out more_labels.csv

what it writes, for --out labels.csv:
  labels.csv          file (or row, from 0), label, confidence from 0 to 1, and source: asked, known, inferred, or
                      invalid, where you said that a row shows no class
  labels.safetensors  the model, for `sklvae predict` and for sklvae.load in Python
  labels.session/     the answers and where training stands. After Ctrl-C, a crash or a reboot repeat the command, and
                      it goes on from there, without a question asked twice. Delete the folder when you are done.

{EXIT_CODES}"""

PREDICT = "Apply a model of `sklvae label` to further data of the same kind, which are read as those were."

PREDICT_EXAMPLES = f"""\
examples:
  sklvae predict labels.safetensors more_photos --out predictions.csv
  sklvae predict labels.safetensors more.csv | head

The CSV has the columns file (or row), label and confidence.

{EXIT_CODES}"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read a command line; `run` of the result is the function to call.

    Raises
    ------
    SystemExit
        With 2 if the command is wrong, with 0 after help.
    """
    look: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = argparse.ArgumentParser("sklvae", description=MAIN, **look)
    parser.add_argument("--version", action="version", version=f"sklvae {sys.modules['sklvae'].__version__}")
    commands = parser.add_subparsers(title="commands", metavar="{label,predict}", required=True)

    asking: Any = commands.add_parser(
        "label", help="ask, and label everything", description=LABEL, epilog=LABEL_EXAMPLES, **look
    )
    asking.set_defaults(run=label)
    asking.add_argument("data", metavar="DATA", type=Path, help="a folder of images, an .npz file or a .csv file")
    asking.add_argument("--out", metavar="FILE.csv", type=Path, required=True, help="where the labels go")
    asking.add_argument("--classes", metavar="A,B,...", type=class_names, help="the only classes; else you add them")
    asking.add_argument("--budget", metavar="N", type=positive, default=100, help="questions in all (default: 100)")
    who = asking.add_mutually_exclusive_group()
    who.add_argument("--web", action="store_true", help="ask on a page in the browser (the default)")
    who.add_argument("--console", action="store_true", help="ask in the terminal")
    who.add_argument(
        "--oracle-csv", metavar="FILE", type=Path, help="take the answers from columns file (or row), label"
    )
    asking.add_argument(
        "--known", metavar="FILE", type=Path, action="append", default=[],
        help="labels that are known, in columns file (or row), label; or the folder labels.session of another command, "
        "for its answers; may be given several times, and the last one that has a row counts"
    )  # fmt: skip
    asking.add_argument(
        "--port", metavar="N", type=port_number, default=0, help="port of the page (default: any that is free)"
    )
    images = asking.add_argument_group("for images")
    images.add_argument(
        "--size", metavar="N|HxW", type=size,
        help="pixels that they are resized to for the model (default: as they are, if all are of one size up to 64, or "
        "else 32); larger is slower. The page shows them larger in any case",
    )  # fmt: skip
    images.add_argument("--mode", choices=["gray", "rgb"], help="default: gray if all of them are")
    table = asking.add_argument_group("for tables")
    table.add_argument("--label-column", metavar="NAME", help="column of known labels, empty where there is none")
    table.add_argument("--ignore", metavar="A,B,...", type=names, help="columns to leave out")
    training = asking.add_argument_group("training")
    training.add_argument("--max-epochs", metavar="N", type=positive, help="at most so many in a phase")
    training.add_argument(
        "--seed", metavar="N", type=seed_number, default=0, help="decides everything random (default: 0)"
    )

    applying: Any = commands.add_parser(
        "predict", help="apply a model", description=PREDICT, epilog=PREDICT_EXAMPLES, **look
    )
    applying.set_defaults(run=predict)
    applying.add_argument("model", metavar="MODEL", type=Path, help="a .safetensors file that `sklvae label` wrote")
    applying.add_argument("data", metavar="DATA", type=Path, help="data of the kind that the model was made from")
    applying.add_argument("--out", metavar="FILE.csv", type=Path, help="default: the standard output")
    for command in (asking, applying):
        command.add_argument("--quiet", action="store_true", help="say nothing but warnings and errors")
    given = parser.parse_args(arguments)
    if given.run is label:
        _check_kind(given, asking)
    return given


def _check_kind(given: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Refuse options for images with a table, and the other way round."""
    options = {"--size": given.size, "--mode": given.mode} if not given.data.is_dir() else {}
    if given.data.suffix.lower() not in (".csv", ".tsv"):
        options |= {"--label-column": given.label_column, "--ignore": given.ignore}
    wrong = [name for name, value in options.items() if value is not None]
    if wrong:
        parser.error(f"{', '.join(wrong)} cannot be used with {given.data}")


def positive(text: str) -> int:
    """An integer from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer >= 1, got {text!r}")
    return int(text)


def port_number(text: str) -> int:
    """A port, or 0."""
    return _up_to(65535, text)


def seed_number(text: str) -> int:
    """A seed that numpy takes."""
    return _up_to(2**32 - 1, text)


def _up_to(most: int, text: str) -> int:
    if not text.isdecimal() or int(text) > most:
        raise argparse.ArgumentTypeError(f"must be an integer from 0 to {most}, got {text!r}")
    return int(text)


def names(text: str) -> list[str]:
    """``a,b,"c, d"`` as a list."""
    found = [name.strip() for name in next(csv.reader([text]), [])]
    if not found or "" in found or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"must be different names, separated by commas, got {text!r}")
    return found


def class_names(text: str) -> list[str]:
    """At least two names."""
    found = names(text)
    if len(found) < 2:
        raise argparse.ArgumentTypeError(f"must be at least two classes, separated by commas, got {text!r}")
    return found


def size(text: str) -> list[int]:
    """``32`` or ``24x32`` as [height, width]."""
    sides = re.fullmatch(r"([1-9]\d{0,3})(?:x([1-9]\d{0,3}))?", text)
    if sides is None:
        raise argparse.ArgumentTypeError(f"must be pixels, as 32 or 24x32 (height x width), got {text!r}")
    height, width = sides.groups()
    return [int(height), int(width or height)]
