"""Help and complaints about options come without PyTorch, and name what may have been meant."""

import json
import subprocess
import sys

import pytest

import crispseg
from crispseg.cli.main import COMMANDS, main
from crispseg.config_values import LADDERS

HEAVY = ("torch", "numpy", "rich", "gradio", "matplotlib", "PIL", "jsonargparse")

ARGUMENTS = [[name, "--help"] for name in COMMANDS if name != "train"] + [
    ["figure", "boundary", "--help"],
    ["--help"],
    ["--version"],
    ["sharpen", "photo.png", "--predictions", "mask.png", "--output", "out", "--hardnes", "5"],
    ["sharpen", "photo.png", "--predictions", "mask.png", "--output", "out", "--window", "8"],
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    code = (
        "import json, sys\n"
        "from crispseg.cli.main import main\n"
        "try: main(json.loads(sys.argv[1]))\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, json.dumps(arguments)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed.splitlines()[-1] == "[]"


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"crispseg {crispseg.__version__}\n"


SHARPEN = ["sharpen", "photo.png", "--output", "out"]


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        ([*SHARPEN, "--predictions", "m.png", "--hardnes", "5"], ["--hardnes", "did you mean --hardness?"]),
        ([*SHARPEN, "--prediction", "m.png"], ["did you mean --predictions?"]),
        ([*SHARPEN, "--predictions", "m.png", "--guardd=0.9"], ["unknown option --guardd;", "did you mean --guard?"]),
        ([*SHARPEN, "--predictions", "m.png", "--zzz"], ["unknown option --zzz (see crispseg sharpen --help)"]),
        (["figure", "boundary", "a.png", "--prediction", "m.png", "--output", "f.png"], ["mean --predictions?"]),
        (["raster", "a.tif", "--prediction", "m.tif", "--output", "l.tif"], ["did you mean --predictions?"]),
        (["tune", "--windows", "9"], ["did you mean --window?"]),
        (["boundaries", "--processes", "2"], ["unknown option --processes; did you mean --workers?"]),
        (SHARPEN, ["required: --predictions"]),
        (["shrapen"], ["'shrapen'", "did you mean sharpen?"]),
        (["blur"], ["unknown command 'blur'", "expected one of sharpen, raster"]),
    ],
)
def test_what_may_have_been_meant(arguments: list[str], facts: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for fact in facts:
        assert fact in error


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("sharpen", "--predictions FILE|FOLDER --output FOLDER IMAGE [IMAGE ...] [options]"),
        ("evaluate", "(--predictions FOLDER | --coarse-truth N) [options]"),
        ("app", "[options]"),
    ],
)
def test_the_usage_is_what_a_command_needs(name: str, usage: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    printed = capsys.readouterr().out.partition("\n\n")[0]
    assert " ".join(printed.split()) == f"usage: crispseg {name} {usage}"


def test_tune_says_what_it_tries(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tune", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert f"tried by default: 9 {' '.join(LADDERS)}, and the one to start from" in printed
    assert "tried by default: three numbers around the one to start from" in printed
    assert "tried by default: 0 auto, and the one to start from" in printed
    assert printed.count("(default: the one to start from)") == 4, "of cue weight, guard, upsampling and negligible"


def test_mistyped_weights_list_those_that_ship(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SHARPEN, "--predictions", "m.png", "--weights", "fasst"]) == 2
    error = capsys.readouterr().err
    for fact in ("'fasst'", "'fast' or 'best'", "did you mean 'fast'?"):
        assert fact in error


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("annotations", "(default: 5@2,5)"),
        ("annotations", "(default: 8, or with --window that of the cue or its weights, see crispseg info)"),
        ("raster", "see crispseg info, without windows that compare scores more than the image)"),
        ("evaluate", "which needs --images and --labels:"),
    ],
)
def test_the_help_says_the_defaults_and_needs_of_the_command_itself(
    command: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert said in " ".join(capsys.readouterr().out.split())
