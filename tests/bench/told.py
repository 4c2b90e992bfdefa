#!/usr/bin/env python3
"""Measures ingest with one route that matches every incident, beside ingest without any, and prints a table.

    python3 tests/bench/told.py             # two minutes or so; wants wrk, cargo and an otherwise idle machine

In each round and at each number of connections, side by side, each on a fresh store: the no-op server, new incidents
without a route, and new incidents of each of which somebody is to be told. The floors are those of run.py. Afterwards
every incident has to be owed or told, once.
"""

import argparse
import http.server
import sqlite3
import statistics
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import run
from run import problem, say

FLOORS = {64: 0.22, 256: 0.35}
ROUTE = """
[[channels]]
name = "hook"
kind = "webhook"
with = {{ url = "http://127.0.0.1:{port}/" }}
[[routes]]
channels = ["hook"]
"""


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def measure(what, store, config, connections, seconds):
    with run.firebell(store, config=config) as server:
        cell = run.measure(what, server, connections, seconds, run.NEW_KEYS)
        run.stop_firebell(server, what)
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
        incidents, _ = database.execute(run.COUNT_SQL).fetchone()
        noted, rows = database.execute("SELECT coalesce(sum(count), 0), count(*) FROM outbox").fetchone()
        told = database.execute("SELECT count(*) FROM outbox WHERE standing = 1").fetchone()[0]
    if incidents < cell["acknowledged"]:
        problem(f"{what}: {cell['acknowledged']} acknowledged, {incidents} stored")
    if config.name == "told.toml":
        say(f"{what}: {incidents} incidents in {rows} rows of the outbox, {told} of them told")
        if noted != incidents or not told:
            problem(f"{what}: {incidents} incidents, of which {noted} are owed or told in {rows} rows, {told} told")
    run.remove(store)
    return cell


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often (3)")
    parser.add_argument("--seconds", type=int, default=3, help="length of each load (3)")
    parser.add_argument("--dir", type=Path, default=run.TARGET / "bench", help="on a real disk (target/bench)")
    options = parser.parse_args()
    kind = run.prepare(["wrk"], options.dir)
    before = run.ticks()
    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    cells = {}
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        folder = Path(folder).resolve()
        plain = run.BENCH / "config.toml"
        routed = folder / "told.toml"
        routed.write_text(plain.read_text() + ROUTE.format(port=receiver.server_address[1]))
        for turn in range(options.rounds):
            for connections in FLOORS:
                for scenario, config in (("noop", None), ("no route", plain), ("one route", routed)):
                    what = f"round {turn + 1}, {connections} connections, {scenario}"
                    if config is None:
                        cell = run.measure_noop(what, folder, connections, options.seconds)
                    else:
                        cell = measure(what, folder / "told.db", config, connections, options.seconds)
                    say(f"{what}: {cell['rate']:.0f}/s")
                    cells.setdefault((connections, scenario), []).append(cell)
    rows = []
    for (connections, scenario), mine in cells.items():
        if scenario == "noop":
            continue
        ratios = run.ratios(mine, cells[connections, "noop"], "rate")
        held = "pass" if statistics.median(ratios) >= FLOORS[connections] else "FAIL"
        rate, cpu_ms = (run.median(mine, field) for field in ("rate", "cpu"))
        row = [f"{connections} conn., {scenario}", f"{rate:,.0f}", f"{cpu_ms:.1f}", run.spread(ratios)]
        rows.append([*row, f"≥ {FLOORS[connections]:g}", held])
    print(run.machine_line(kind, before, run.ticks()) + "  ")
    print(f"`python3 tests/bench/told.py`: medians of rounds: {options.rounds}, seconds each: {options.seconds}\n")
    print(run.table(["", "POST/s", "CPU ms per 1,000", "of the no-op's (lowest–highest)", "floor", "result"], rows))
    sys.exit(bool(run.problems or any(row[-1] == "FAIL" for row in rows)))


if __name__ == "__main__":
    main()
