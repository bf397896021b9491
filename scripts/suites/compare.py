"""Compares what passes directly and through the gateway, as scripts/suites/run.sh left it.

compare.py RESULTS "WAYS" SUITE...: a table on standard output, and below it every test that passes
directly and not through the gateway. Exit code 1 if there is any, or if a run has no end.
"""

import collections
import pathlib
import re
import sys

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# "[ok]: BITCOUNT against test vector #1 (0 ms)"
TCL = re.compile(r"^\[(ok|err|exception)\]: (.*?)(?: in (tests/\S+))?(?: \([0-9]+ ms\))?$")
# "PASSED tests/test_commands.py::TestCommands::test_append"
PYTEST = re.compile(r"^(PASSED|FAILED|ERROR) (\S+)")
SHOWN = 40
ENDS = ("All tests passed without errors!", "The following tests failed:", "The End")


class Run:
    """What one run of a suite came to."""

    def __init__(self, log):
        self.passed = collections.Counter()
        self.failed = collections.Counter()
        self.ended = False
        text = log.read_bytes().decode("utf-8", "replace")
        for line in COLOUR.sub("", text).splitlines():
            self.read(line)

    def read(self, line):
        if found := TCL.match(line):
            to = self.passed if found[1] == "ok" else self.failed
            to[found[2]] += 1
        elif found := PYTEST.match(line):
            to = self.passed if found[1] == "PASSED" else self.failed
            to[found[2]] += 1
        self.ended |= any(end in line for end in ENDS) or bool(
            re.match(r"^[0-9]+ (passed|failed).* in [0-9.]+s", line)
        )

    def __str__(self):
        counts = f"{self.passed.total():5} passed {self.failed.total():3} failed"
        return counts if self.ended else counts + ", and did not end"


def main():
    results, ways, *suites = sys.argv[1:]
    bad = False
    missing = []
    for suite in suites:
        runs = {}
        for way in ways.split():
            runs[way] = Run(pathlib.Path(results) / f"{suite}.{way}.log")
            print(f"{suite:10} {way:8} {runs[way]}")
            bad |= not runs[way].ended
        if "gateway" in runs:
            lost = runs["direct"].passed - runs["gateway"].passed
            missing += [f"{suite}: {name}" for name in sorted(lost.elements())]
    if missing:
        print("\npasses directly and not through the gateway:")
        print("\n".join(f"  {name}" for name in missing[:SHOWN]))
        if len(missing) > SHOWN:
            print(f"  and {len(missing) - SHOWN} more")
    return 1 if bad or missing else 0


sys.exit(main())
