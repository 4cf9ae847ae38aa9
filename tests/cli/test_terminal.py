import io

import pytest

from sklvae.cli._terminal import Terminal


class Screen(io.StringIO):
    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "quiet", "shown"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_bars_with_the_time_left_are_for_whoever_looks_on(monkeypatch, is_terminal, quiet, shown):
    screen = Screen(is_terminal)
    monkeypatch.setattr("sys.stderr", screen)
    terminal = Terminal(quiet)
    assert list(terminal.counted(range(3), "Reading")) == [0, 1, 2]
    bar = terminal.training_bar()
    for done in (0, 1, 2, 0, 1):
        bar(done, 2)
    bar.close()
    seen = screen.getvalue()
    assert (seen.count("Reading   0%"), seen.count("Training   0%")) == ((1, 2) if shown else (0, 0))
    assert ("left" in seen) == shown == bool(seen)


def test_only_errors_are_said_to_the_quiet(capsys):
    for quiet in (False, True):
        terminal = Terminal(quiet)
        terminal.say("well")
        terminal.complain("badly")
    assert capsys.readouterr().err.split("\n") == ["sklvae: well", "sklvae: badly", "sklvae: badly", ""]
