#!/usr/bin/env python3
"""Checks the results of an array job and merges its journals.

gather.py FOLDER [--expect N]: reads FOLDER/.fmboost/journal*.jsonl, compares the size and the SHA-256 of every image with
its newest line, and writes all lines to FOLDER/.fmboost/journal.jsonl. Exit code 3 if an image failed, is missing or
damaged, or if there are fewer than N images; requeue the array job then.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path


def read_lines(journal):
    """The lines of a journal; what a killed process cut off is left out."""
    for text in journal.read_text(errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("output"), str) and "status" in line:
            yield line


def newest_lines(folder):
    """The newest line of each output."""
    lines = {}
    for journal in sorted(folder.glob(".fmboost/journal*.jsonl")):
        for line in read_lines(journal):
            known = lines.get(line["output"])
            if known is None or line.get("time", "") >= known.get("time", ""):
                lines[line["output"]] = line
    return lines


def sha256(file):
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fault_of(folder, line):
    """Why an image is not complete; None if it is."""
    file = folder / line["output"]
    if line["status"] != "done":
        return f"failed: {line.get('error')}"
    if not file.is_file():
        return "is missing"
    if file.stat().st_size != line["bytes"] or sha256(file) != line["sha256"]:
        return "has changed since it was made"
    return None


def write_durably(file, lines):
    temporary = file.with_name(f".{file.name}.tmp-{os.getpid()}")
    with open(temporary, "w") as stream:
        for line in lines:
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="output folder of the array job")
    parser.add_argument("--expect", type=int, default=0, metavar="N", help="number of images that there must be")
    arguments = parser.parse_args()
    lines = newest_lines(arguments.folder)
    if not lines:
        sys.exit(f"'{arguments.folder}' has no journal")
    faults = {output: fault for output, line in lines.items() if (fault := fault_of(arguments.folder, line))}
    for output, fault in faults.items():
        print(f"'{output}' {fault}", file=sys.stderr)
    write_durably(arguments.folder / ".fmboost" / "journal.jsonl", lines.values())
    complete = len(lines) - len(faults)
    print(f"{complete} images complete, {len(faults)} not" + (f", {arguments.expect} expected" if arguments.expect else ""))
    return 3 if faults or complete < arguments.expect else 0


if __name__ == "__main__":
    sys.exit(main())
