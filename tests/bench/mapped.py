#!/usr/bin/env python3
"""Measures what an alert costs that a mapping reads, beside the same alert by the custom webhook, and prints a table.

    python3 tests/bench/mapped.py           # a minute or so; wants wrk, cargo and an otherwise idle machine

In each round, side by side, each on a fresh store: alerts of new problems by the custom webhook, one a body, and in
Alertmanager's format, in bodies of 20 and of one. What counts is the server's CPU for each alert.
"""

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import run
from run import problem, say

CONNECTIONS = 16
MOST = 3.0  # times the CPU of the custom webhook's
GROUP = 20
FORMS = [("custom webhook", "custom", 1), (f"Alertmanager, {GROUP} a body", "alertmanager", GROUP), ("Alertmanager, one a body", "alertmanager", 1)]


def load(url, form, prefix, group, seconds):
    path = "/webhooks/benchbenchbenchbench" if form == "custom" else "/webhooks/mappedmappedmapped"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", run.BENCH / "mapped.lua", url + path]
    output = subprocess.run([*command, "--", form, prefix, str(group)], capture_output=True, text=True, check=True).stdout
    found = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
    if found["refused"] or not found["requests"]:
        problem(f"{form}: {found}")
    return found["requests"] * group


def measure(store, form, group, seconds):
    """CPU ms per 1,000 alerts, and alerts a second."""
    with run.firebell(store) as server:
        url = server.ready()
        warm_up = load(url, form, "warm-", group, 1)
        os.sync()
        before = server.cpu_ms()
        alerts = load(url, form, "key-", group, seconds)
        cpu_ms = server.cpu_ms() - before
        run.stop_firebell(server, form)
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
        stored, _ = database.execute(run.COUNT_SQL).fetchone()
    if stored < warm_up + alerts:
        problem(f"{form}: {warm_up + alerts} acknowledged, {stored} stored")
    run.remove(store)
    return cpu_ms * 1000 / alerts, alerts / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often (3)")
    parser.add_argument("--seconds", type=int, default=4, help="length of each load (4)")
    parser.add_argument("--dir", type=Path, default=run.TARGET / "bench", help="on a real disk (target/bench)")
    options = parser.parse_args()
    kind = run.prepare(["wrk"], options.dir)
    before = run.ticks()
    cells = {name: [] for name, _, _ in FORMS}
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        for turn in range(options.rounds):
            for name, form, group in FORMS:
                cell = measure(Path(folder).resolve() / "mapped.db", form, group, options.seconds)
                say(f"round {turn + 1}, {name}: {cell[0]:.1f} ms CPU per 1,000 alerts, {cell[1]:,.0f}/s")
                cells[name].append(cell)
    yardstick = cells[FORMS[0][0]]
    rows = []
    for name, _, group in FORMS:
        ratios = [mine[0] / custom[0] for mine, custom in zip(cells[name], yardstick)]
        held = "–" if group == 1 else "pass" if statistics.median(ratios) <= MOST else "FAIL"
        cpu_ms, rate = (statistics.median(cell[at] for cell in cells[name]) for at in (0, 1))
        rows.append([name, f"{cpu_ms:.1f}", f"{rate:,.0f}", run.spread(ratios), held])
    print(run.machine_line(kind, before, run.ticks()) + "  ")
    print(f"`python3 tests/bench/mapped.py`: {CONNECTIONS} connections, medians of rounds: {options.rounds}\n")
    print(run.table(["", "CPU ms per 1,000 alerts", "alerts/s", "ratio (lowest–highest)", f"≤ {MOST:g}"], rows))
    sys.exit(bool(run.problems or any(row[-1] == "FAIL" for row in rows)))


if __name__ == "__main__":
    main()
