import json
import re
import subprocess
import sys

import pytest

from zoo import cli, configuration
from zoo.commands import command
from zoo.errors import ZooError

HEAVY = ("tensorflow", "keras", "tensorflow_probability", "tensorflow_datasets", "matplotlib")


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "zoo", *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "statement",
    [
        "import zoo",
        "import zoo; zoo.entries('*vae*'); zoo.describe('vae.mnist')",
        "from zoo.cli import main; main(['list'])",
        "from zoo.cli import main; main(['info', 'vae.mnist'])",
        "from zoo.cli import main; main(['info', 'vae.mnits'])",
        "from zoo.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
    ],
)
def test_it_is_quick_because_tensorflow_is_not_imported(statement):
    check = f"import sys; print([m for m in {HEAVY} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{check}"], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_another_backend_is_refused_in_plain_words():
    result = subprocess.run(
        [sys.executable, "-c", "import zoo; print(len(zoo.entries())); zoo.create('vae.digits')"],
        env={"KERAS_BACKEND": "jax", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert int(result.stdout) > 0
    assert "set KERAS_BACKEND=tensorflow" in result.stderr.splitlines()[-1]


def test_list_prints_names_and_json_prints_one_object():
    plain = run("list", "vae*")
    assert plain.returncode == 0 and plain.stderr == ""
    names = [line.split()[0] for line in plain.stdout.splitlines()]
    assert names == [n for n in configuration.names() if n.startswith("vae")]
    found = json.loads(run("list", "--json").stdout)
    assert [e["name"] for e in found["entries"]] == configuration.names()
    assert all(isinstance(e["pretrained"], bool) for e in found["entries"])


def test_a_pattern_without_match_is_no_error():
    result = run("list", "nothing*")
    assert (result.returncode, result.stdout) == (0, "") and "no entry matches" in result.stderr
    assert json.loads(run("list", "nothing*", "--json").stdout) == {"entries": []}


def test_info():
    result = run("info", "vae.mnist")
    assert result.returncode == 0
    assert ["data.binarize", "dynamic"] in [line.split() for line in result.stdout.splitlines()]
    assert re.search(r"^numbers.elbo +-90.\d+ \+- 0.\d+ nats", result.stdout, re.MULTILINE)
    found = json.loads(run("info", "vae.mnist", "--json").stdout)
    assert found["numbers"]["elbo"]["data"]["name"] == "mnist"
    assert found["density"] == "bound" and found["data"]["name"] == "mnist"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["info", "vae.mnits"], "vae.mnist"),
        (["lst"], "invalid choice: 'lst'"),
        (["info"], "required: NAME"),
        (["list", "--jsn"], "unrecognized arguments: --jsn"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message):
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("zoo") and message in result.stderr


def test_without_arguments_it_shows_its_commands():
    result = run()
    assert result.returncode == 0 and "info" in result.stdout


@pytest.mark.parametrize(
    "error, code, message",
    [
        (ZooError("two\nlines"), 2, "zoo: two lines\n"),
        (OSError(28, "No space left on device", "x.h5"), 2, "zoo: x.h5: No space left"),
        (PermissionError(13, "Permission denied", "out"), 2, "zoo: out: Permission denied"),
        (KeyboardInterrupt(), 130, "zoo: interrupted\n"),
    ],
)
def test_what_a_user_can_cause_is_one_line(monkeypatch, capsys, error, code, message):
    use(monkeypatch, error)
    try:
        assert cli.main(["fail"]) == code
    except KeyboardInterrupt:
        # It would end the whole test run without a word of why.
        pytest.fail("the interrupt came through")
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(message) and err.count("\n") == 1


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError(5, "I/O error"), ValueError()])
def test_a_bug_is_not_swallowed(monkeypatch, error):
    use(monkeypatch, error)
    with pytest.raises(type(error)) as caught:
        cli.main(["fail"])
    assert caught.value is error


def use(monkeypatch, error):
    def fail(args):
        raise error

    failing = command.Command("fail", "fails", lambda parser: None, fail)
    monkeypatch.setattr(cli, "COMMANDS", (failing,))


def test_a_closed_pipe_is_silent():
    script = (
        "import sys\nfrom zoo import cli\nfrom zoo.commands.command import Command\n"
        "def shout(args):\n    for i in range(100000): print(i)\n"
        "cli.COMMANDS = (Command('shout', '', lambda p: None, shout),)\n"
        "sys.exit(cli.main(['shout']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == cli.BROKEN_PIPE
