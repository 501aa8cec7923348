"""Errors with exit codes, and a command line whose every failure is one clear line."""

import argparse
import sys

RUNTIME, USAGE, MODEL = 1, 2, 4


class ExportError(Exception):
    """A failure the user can act on: the message names the file, what was expected and what was found."""

    exit_code = RUNTIME


class ModelError(ExportError):
    """A file that is not the model it should be."""

    exit_code = MODEL


class UsageError(ExportError):
    """Options that do not go together or cannot be understood."""

    exit_code = USAGE


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line; --help shows the rest."""

    def error(self, message):
        raise UsageError(f"{message}; see --help")


def one_line(text):
    return " ".join(str(text).split())


def run_main(main, name, arguments=None):
    """Runs `main` and turns its failures into an exit code and one line on stderr. `arguments`: else those given."""
    try:
        main(arguments)
        return 0
    except ExportError as error:
        message, code = error, error.exit_code
    except OSError as error:
        message, code = error, RUNTIME
    except MemoryError:
        message, code = "memory ran out", RUNTIME
    except KeyboardInterrupt:
        message, code = "interrupted", 130
    print(f"{name}: error: {one_line(message)}", file=sys.stderr)
    return code
