#!/usr/bin/env python3
"""Measures what an export of a million incidents costs the alerts that come in meanwhile, and prints a table.

    python3 tests/bench/exports.py          # three minutes or so; wants wrk, cargo and an otherwise idle machine

In each round and for each format, side by side on one growing store: new keys over 64 connections for some seconds, and
the same while everything is exported. The export has to bring each incident that was there when it began, once and in
order; ingest may lose a fifth; memory may grow by 16 MiB. A second export runs when nothing else does.
"""

import argparse
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

import run
from run import problem, say

CONNECTIONS = 64
FLOOR = 0.80  # of the rate without an export
GROWTH_MIB = 16
NUMBERS = {
    "ndjson": re.compile(rb'^\{"incident_number":"INC-(\d+)-(\d+)"', re.MULTILINE),
    "csv": re.compile(rb"^INC-(\d+)-(\d+),", re.MULTILINE),
}


class Export(threading.Thread):
    """Takes an export as fast as it comes, and looks at each incident's number."""

    def __init__(self, base, form, store):
        super().__init__()
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
            self.expected = database.execute("SELECT count(*) FROM incident").fetchone()[0]
        self.form = form
        self.begin = time.monotonic()
        command = ["curl", "-sSfN", f"{base}/api/v1/export?format={form}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.rows = self.bytes = self.seconds = 0
        self.start()

    def run(self):
        rest, last = b"", (0, 0)
        while piece := self.process.stdout.read1(1 << 20):
            self.bytes += len(piece)
            whole, _, rest = (rest + piece).rpartition(b"\n")
            for year, sequence in NUMBERS[self.form].findall(whole):
                number = (int(year), int(sequence))
                # Numbers have no gaps, so neither has an export of everything.
                if number not in ((last[0], last[1] + 1), (max(number[0], last[0] + 1), 1)):
                    problem(f"{self.form}: {number} came after {last}")
                last = number
                self.rows += 1
        if code := self.process.wait():
            problem(f"{self.form}: curl ended with {code}")
        self.seconds = time.monotonic() - self.begin

    def finish(self):
        self.join()
        # What came in between the count and its beginning may be in it.
        if self.rows < self.expected:
            problem(f"{self.form}: {self.rows} of {self.expected} incidents")


def load(server, seconds, prefix):
    found, peak_mib = run.wrk(server, CONNECTIONS, seconds, prefix, run.NEW_KEYS)
    if found["refused"] or not found["requests"]:
        problem(f"{prefix}: {found}")
    return found["requests"] / (found["duration_us"] / 1e6), peak_mib


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often (3)")
    parser.add_argument("--seconds", type=int, default=4, help="length of each load (4)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="incidents at first (1000000)")
    parser.add_argument("--dir", type=Path, default=run.TARGET / "bench", help="on a real disk (target/bench)")
    options = parser.parse_args()
    kind = run.prepare(["wrk", "curl"], options.dir)
    before = run.ticks()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        store = Path(folder).resolve() / "exported.db"
        run.build_preloaded(store, options.rows)
        with run.firebell(store) as server:
            base = server.ready()
            load(server, 1, "warm-")
            for form in NUMBERS:
                ratios, peaks, shares = [], [], []
                for turn in range(options.rounds):
                    prefix = f"{form}-{turn}-"
                    alone, alone_mib = load(server, options.seconds, prefix + "alone-")
                    export = Export(base, form, store)
                    beside, beside_mib = load(server, options.seconds, prefix + "beside-")
                    shares.append(export.rows)
                    export.finish()
                    ratios.append(beside / alone)
                    peaks.append(beside_mib - alone_mib)
                    say(f"{form}, round {turn + 1}: {alone:.0f}/s alone, {beside:.0f}/s beside an export, +{peaks[-1]:.1f} MiB")
                idle = Export(base, form, store)
                idle.finish()
                ratio, growth = statistics.median(ratios), statistics.median(peaks)
                result = "pass" if ratio >= FLOOR and growth <= GROWTH_MIB else "FAIL"
                rate = statistics.median(shares) / options.seconds
                rows.append([
                    form, run.spread(ratios), f"{growth:+.1f}", f"{rate:,.0f}",
                    f"{idle.rows / idle.seconds:,.0f}", f"{idle.rows:,}", result,
                ])
            run.stop_firebell(server, "exports")
    print(run.machine_line(kind, before, run.ticks()) + "  ")
    print(f"`python3 tests/bench/exports.py`: {options.rows:,} incidents at first\n")
    print(run.table(["", "POST/s beside / alone", "memory MiB", "rows/s under load", "rows/s idle", "rows", f"≥ {FLOOR}, ≤ +{GROWTH_MIB} MiB"], rows))
    sys.exit(bool(run.problems or any(row[-1] == "FAIL" for row in rows)))


if __name__ == "__main__":
    main()
