"""The command `zoo`: one line and exit code 2 for whatever the user can cause.

Anything else is a bug of ours and shows its traceback.
"""

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import zoo
from zoo import backend
from zoo.commands import COMMANDS
from zoo.errors import ZooError
from zoo.files import reason

USAGE_ERROR = 2
INTERRUPTED = 130
# What a shell reports of a program that wrote into a closed pipe.
BROKEN_PIPE = 141

_NOT_OURS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, where argparse prints the usage as well."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"{self.prog}: {_one_line(message)} (see `{self.prog} --help`)\n")


def parser() -> argparse.ArgumentParser:
    """The parser of all commands; `command` in its result is the `Command`, or None."""
    top = _Parser(prog="zoo", description="Deep generative models for Keras 3 on TensorFlow.")
    top.add_argument("--version", action="version", version=f"latent-zoo {zoo.__version__}")
    top.set_defaults(command=None)
    each = top.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        sub = each.add_parser(command.name, help=command.help, description=command.help)
        command.add_arguments(sub)
        sub.set_defaults(command=command)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    # TensorFlow reads it when it is imported.
    backend.quiet = True
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    top = parser()
    try:
        args = top.parse_args(argv)
        if args.command is None:
            top.print_help()
        else:
            args.command.run(args)
        sys.stdout.flush()
        return 0
    except ZooError as error:
        return _fail(str(error))
    except BrokenPipeError:
        # Python flushes standard output once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise
        return _fail(f"{error.filename or 'writing'}: {reason(error)}")
    except KeyboardInterrupt as interrupt:
        # A command may have said in it how to go on.
        return _fail(f"interrupted; {interrupt}" if interrupt.args else "interrupted", INTERRUPTED)


def _fail(message: str, code: int = USAGE_ERROR) -> int:
    print(f"zoo: {_one_line(message)}", file=sys.stderr)
    return code


def _one_line(message: str) -> str:
    return " ".join(message.split())
