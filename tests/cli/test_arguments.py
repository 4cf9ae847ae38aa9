"""What a command line is refused for, and what help says."""

import pytest

import sklvae


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required"),
        (["label"], "required: DATA, --out"),
        (["label", "x.npz"], "required: --out"),
        (["label", "x.npz", "--out", "l.csv", "--budget", "0"], r"--budget: must be an integer >= 1, got '0'"),
        (["label", "x.npz", "--out", "l.csv", "--port", "65536"], "--port: must be an integer from 0 to 65535"),
        (["label", "x.npz", "--out", "l.csv", "--seed", "-1"], "--seed: must be an integer from 0 to 4294967295"),
        (["label", "x.npz", "--out", "l.csv", "--classes", "cat"], "at least two classes"),
        (["label", "x.npz", "--out", "l.csv", "--classes", "cat,,dog"], "different names"),
        (["label", "x.npz", "--out", "l.csv", "--classes", "cat,cat"], "different names"),
        (["label", "x.npz", "--out", "l.csv", "--size", "big"], "must be pixels, as 32 or 24x32"),
        (["label", "x.npz", "--out", "l.csv", "--size", "8"], "--size cannot be used with x.npz"),
        (["label", ".", "--out", "l.csv", "--ignore", "a"], "--ignore cannot be used with ."),
        (["label", "x.npz", "--out", "l.csv", "--web", "--console"], "not allowed with argument"),
        (["label", "x.npz", "--out", "l.csv", "--bud", "3"], "unrecognized arguments"),
        (["predict", "m.safetensors"], "required: DATA"),
        (["guess"], "invalid choice"),
    ],
)
def test_a_wrong_command_ends_with_2(run, arguments, message):
    code, printed, said = run(*arguments)
    assert (code, printed) == (2, "")
    assert said.startswith("usage: sklvae")
    assert message.replace(r"\.", ".") in said


@pytest.mark.parametrize(
    ("command", "taught"), [([], "sklvae predict"), (["label"], "--known labels.csv"), (["predict"], "| head")]
)
def test_help_teaches_by_examples(run, command, taught):
    code, printed, said = run(*command, "--help")
    assert (code, said) == (0, "")
    assert taught in printed
    assert "exit codes:" in printed
    assert max(map(len, printed.splitlines())) <= 120


def test_the_version_is_told(run):
    assert run("--version")[1] == f"sklvae {sklvae.__version__}\n"
