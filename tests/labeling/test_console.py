import io
import sys

import numpy as np
import pytest
from rich.console import Console

from sklvae.labeling import INVALID, SKIP, ConsoleOracle, OracleError, Round, consult
from sklvae.labeling._console import half_blocks


class Terminal(Console):
    """Types prepared lines; at their end comes the end of the input, or what is given."""

    def __init__(self, *lines, end=EOFError, **options):
        super().__init__(file=io.StringIO(), width=100, highlight=False, **options)
        self.lines, self.end = iter(lines), end

    def input(self, prompt="", **_):
        self.print(prompt)
        for line in self.lines:
            return line
        raise self.end

    @property
    def written(self):
        return self.file.getvalue()


def answered(terminal, queries, classes=("cat", "dog", "ox"), **parameters):
    return [(a.label, a.confidence) for a in ConsoleOracle(classes, console=terminal, **parameters)(queries)]


def test_every_way_to_answer(images, ask):
    lines = ["cat", "2", "dog ~", "3~~", "cat 70%", "x", "", "=", "+ emu", ""]
    queries = ask(images, range(9), suggestion=("dog", 0.8))
    assert answered(Terminal(*lines), queries) == [
        ("cat", 1.0),
        ("dog", 1.0),
        ("dog", 0.8),
        ("ox", 0.5),
        ("cat", 0.7),
        (INVALID, 1.0),
        (SKIP, 1.0),
        ("dog", 1.0),
        ("emu", 1.0),
    ]


def test_answers_are_taken_back_until_the_round_is_handed_over(images, ask):
    terminal = Terminal("cat", "u", "dog", "cat", "u", "ox", "")
    assert answered(terminal, ask(images, range(2))) == [("dog", 1.0), ("ox", 1.0)]


@pytest.mark.parametrize("line", ["emu", "4", "0", "=", "u", "cat 101%", "cat dog"])
def test_what_is_no_answer_is_asked_again(images, ask, line):
    terminal = Terminal(line, "cat", "")
    assert answered(terminal, ask(images, range(1))) == [("cat", 1.0)]
    assert f"'{line}' is no class" in terminal.written


def test_numbers_are_names_where_a_class_is_a_number(images, ask):
    terminal = Terminal("7", "1", "9", "")
    assert answered(terminal, ask(images, range(2)), classes=[7, 8, 9]) == [(7, 1.0), (9, 1.0)]
    assert "'1' is no class" in terminal.written


def test_a_class_that_is_named_as_a_command_is_answered_by_its_name(images, ask):
    lines = ["x", "u", "=", "x ~", "!x", "!=", "!u", "1", "+", ""]  # the guess is taken back
    queries = ask(images, range(7), suggestion=("o", 0.8))
    terminal = Terminal(*lines)
    assert answered(terminal, queries, classes=["o", "x", "u", "=", "+"]) == [
        ("x", 1.0),
        ("u", 1.0),
        ("=", 1.0),
        ("x", 0.8),
        (INVALID, 1.0),
        ("o", 1.0),
        ("+", 1.0),
    ]
    assert terminal.written.count("!x no valid class") == 9
    assert "80%), != agrees" in terminal.written


@pytest.mark.parametrize("undo", ["u", "!u"])
def test_the_spelling_of_a_command_changes_with_a_class_that_is_added(images, ask, undo):
    terminal = Terminal("x", "+ x", "x", "+ u", undo, "!x", "")
    assert [label for label, _ in answered(terminal, ask(images, range(4)))] == [INVALID, "x", "x", INVALID]
    assert terminal.written.count("Enter trains, !u takes") == 2


def test_no_class_is_added_where_that_is_not_allowed(images, ask):
    terminal = Terminal("+ emu", "cat", "")
    assert answered(terminal, ask(images, range(1)), new_classes=False) == [("cat", 1.0)]
    assert "There is no class 'emu'" in terminal.written
    assert "new class" not in terminal.written
    more = Terminal("cat", "")
    answered(more, ask(images, range(1)))
    assert "+ name new class" in " ".join(more.written.split())


@pytest.mark.parametrize(("end", "raised"), [(EOFError, OracleError), (KeyboardInterrupt, KeyboardInterrupt)])
def test_answers_before_the_end_of_the_input_are_kept(images, ask, end, raised):
    oracle, kept = ConsoleOracle(["cat"], console=Terminal("cat", "x", end=end)), []
    with pytest.raises(raised, match="after 2 answers, which are kept"):
        consult(oracle, Round(ask(images, range(4)), kept.append))
    assert [answer.label for answer in kept] == [answer.label for answer in oracle.answers] == ["cat", INVALID]


def test_progress_what_is_left_and_the_guesses_are_shown(images, ask):
    terminal = Terminal("cat", "dog", "")
    queries = ask(images, [3, 5], suggestion=("dog", 0.83))
    answered(terminal, queries, X=images, budget=7)
    for text in ("question 1 of 2, 7 left", "question 2 of 2, 6 left, model's guesses right: 0 of 1", "row 5", "83%"):
        assert text in terminal.written


def test_class_names_are_text_not_markup(images, ask):
    terminal = Terminal("1", "")
    assert answered(terminal, ask(images, [0], suggestion=("[red]a[/]", 1.0)), classes=["[red]a[/]"])
    assert terminal.written.count("[red]a[/]") == 2


def test_a_table_shows_its_columns_by_deviation(ask):
    X = np.random.default_rng(0).normal(size=(30, 3))
    X[4] = [0, 50, 0]
    terminal = Terminal("cat", "")
    answered(terminal, ask(X, [4]), X=X, feature_names=["width", "height", "[b]"])
    assert terminal.written.index("height") < min(terminal.written.index(name) for name in ("width", "[b]"))


def test_flat_rows_are_pictures_where_the_shape_is_given(images, ask):
    flat = images.reshape(len(images), -1)
    for image_shape, drawn in [((4, 4), True), (None, False)]:
        terminal = Terminal("cat", "")
        answered(terminal, ask(flat, [0]), image_shape=image_shape)
        assert ("▀▀▀▀" in terminal.written) == drawn


def test_half_blocks_show_two_pixels_each(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    pixels = np.array([[0, 255], [10, 20], [30, 40]], dtype=np.uint8)
    text = half_blocks(pixels, 10)
    assert text.plain == "▀▀\n▀▀"
    styles = [(s.style.color.triplet.red, s.style.bgcolor.triplet.red) for s in text.spans]
    assert styles == [(0, 10), (255, 20), (30, 0), (40, 0)]
    assert half_blocks(np.zeros((8, 8), np.uint8), 4).plain == "▀▀▀▀\n▀▀▀▀"


def test_without_color_shades_are_drawn(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert half_blocks(np.array([[0, 255], [0, 255]], dtype=np.uint8), 10).plain == " █"


def test_a_terminal_is_read_and_written_as_it_is(images, ask, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("cat\n\n"))
    assert [answer.label for answer in ConsoleOracle(["cat"], X=images)(ask(images, [0]))] == ["cat"]
    assert "question 1 of 1" in capsys.readouterr().out


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(ImportError, match=r'pip install "sklvae\[console\]"'):
        ConsoleOracle()
