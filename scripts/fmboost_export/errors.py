"""Errors with exit codes, and a command line that reports every failure in one line."""

import argparse
import sys

RUNTIME, USAGE, MODEL = 1, 2, 4


class ExportError(Exception):
    """A failure the user can act on: the message names the file, what was expected and what was found."""

    exit_code = RUNTIME


class ModelError(ExportError):
    """A file that is not the expected model."""

    exit_code = MODEL


class UsageError(ExportError):
    """Invalid or inconsistent options."""

    exit_code = USAGE


class OneLineParser(argparse.ArgumentParser):
    """Reports errors in one line that refers to --help."""

    def error(self, message):
        raise UsageError(f"{message}; see --help")


def one_line(text):
    return " ".join(str(text).split())


def run_main(main, name, arguments=None):
    """Runs `main`; returns an exit code and reports errors in one line on stderr. `arguments`: default sys.argv."""
    try:
        main(arguments)
        return 0
    except ExportError as error:
        message, code = error, error.exit_code
    except OSError as error:
        message, code = error, RUNTIME
    except MemoryError:
        message, code = "out of memory", RUNTIME
    except KeyboardInterrupt:
        message, code = "interrupted", 130
    print(f"{name}: error: {one_line(message)}", file=sys.stderr)
    return code
