#!/usr/bin/env python3
"""Measures the lists, filters, orders, pages and searches of the API on a long history, and prints a table.

    python3 tests/bench/reads.py          # five minutes or so; wants wrk, cargo and an otherwise idle machine

The store holds 5,000,000 incidents of 50 services and 5 integrations, 50,000 of them not closed (history.sql), and the
server has indexed all their words. Each request is sent for some seconds by one client after the other (one connection).
Lists are held to 20 ms at the 99th percentile, searches to 50 ms.
"""

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path

import run
from run import BENCH, problem, say

LIST_MS, SEARCH_MS = 20, 50

QUERIES = [
    "",
    "limit=100",
    "limit=100&offset=10000",
    "sort=created_at",
    "sort=created_at&limit=100&offset=10000",
    "sort=severity",
    "sort=severity&limit=100&offset=10000",
    "sort=-last_seen_at",
    "sort=-last_seen_at&limit=100&offset=10000",
    "status=new",
    "status=closed",
    "status=new&status=investigating&status=fixing&status=monitoring&sort=severity",
    "status=resolved&status=closed",
    "severity=SEV0",
    "severity=SEV3",
    "severity=SEV0&severity=SEV1&sort=created_at",
    "service_id=SER-10017",
    "service_id=SER-10017&service_id=SER-10018&service_id=SER-10019",
    "integration=grafana",
    "integration=nobody",
    "assigned_to=person-7",
    "resolved_by=ops@example.org",
    "resolved_by=integration:grafana&limit=100",
    "dedup_key=key-1002500000",
    "dedup_key=key-1004999999&dedup_key=key-1000000001",
    "created_after={year}-06-01T00:00:00Z&created_before={year}-06-02T00:00:00Z",
    "created_before={year}-03-01T00:00:00Z&limit=100&offset=10000",
    "resolved_after={year}-06-01T00:00:00Z&resolved_before={year}-06-01T06:00:00Z",
    "resolved_after={year}-06-01T00:00:00Z",
    "severity=SEV0&service_id=SER-10017",
    "severity=SEV1&service_id=SER-10017&integration=uptime",
    "severity=SEV1&assigned_to=person-7&status=closed",
    "status=new&severity=SEV1&service_id=SER-10017&sort=-last_seen_at",
    "integration=uptime&created_after={year}-06-01T00:00:00Z&sort=created_at",
    "assigned_to=person-7&resolved_by=ops@example.org&sort=severity",
    "service_id=SER-10017&resolved_after={year}-06-01T00:00:00Z&sort=severity",
    "search=disk",
    "search=disk usage",
    "search=d",
    "search=datab",
    "search=web-17",
    "search=pool exhausted web-1999",
    "search=überlastung",
    "search=磁盘",
    "search=rack 17 region 3 dash",
    "search=nothing has this",
    "search=disk&severity=SEV0",
    "search=disk&status=new&sort=severity",
    "search=connection&service_id=SER-10017&sort=created_at",
]


def build(store, rows, still_open):
    say(f"inserting {rows:,} incidents")
    with run.firebell(store) as server:
        server.ready()
        run.stop_firebell(server, "build")
    run.fill(store, "history.sql", {"rows": rows, "open": still_open})
    say(f"indexing their words; {store.stat().st_size / 2**20:,.0f} MiB so far")
    begin = time.monotonic()
    with run.firebell(store) as server:
        server.ready()
        while True:
            with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
                behind = database.execute("SELECT max(id) - (SELECT up_to FROM search) FROM incident").fetchone()[0]
            if behind == 0:
                break
            if server.process.poll() is not None or time.monotonic() - begin > 1800:
                sys.exit(f"the index was not made: {behind} to go")
            time.sleep(0.2)
        run.stop_firebell(server, "index")
    took = time.monotonic() - begin
    say(f"indexed in {took:.0f} s; {store.stat().st_size / 2**20:,.0f} MiB")
    return took


def get(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)["data"]


def measure(url, seconds, *options):
    command = ["wrk", "-t1", "-c1", f"-d{seconds}s", "--timeout", "10s", "-s", BENCH / "reads.lua"]
    output = subprocess.run([*command, *options, url], capture_output=True, text=True, check=True).stdout
    found = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
    if found["bad"] or not found["requests"]:
        problem(f"{url}: {found}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=2, help="length of each load (2)")
    parser.add_argument("--rows", type=int, default=5_000_000, help="incidents (5000000)")
    parser.add_argument("--open", type=int, default=50_000, help="of them not closed (50000)")
    parser.add_argument("--dir", type=Path, default=run.TARGET / "bench", help="on a real disk (target/bench)")
    parser.add_argument("--store", type=Path, help="one that an earlier run kept with this option")
    options = parser.parse_args()
    kind = run.prepare(["wrk"], options.dir)
    before = run.ticks()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        store = options.store or Path(folder).resolve() / "history.db"
        if not store.exists():
            build(store, options.rows, options.open)
        year = time.gmtime().tm_year - 1
        with run.firebell(store) as server:
            base = server.ready() + "/api/v1/incidents"
            deep = get(f"{base}?limit=100&offset=9900")["next_cursor"]
            for query in [*QUERIES, f"limit=100&cursor={deep}"]:
                query = query.replace("{year}", str(year))
                url = f"{base}?" + urllib.parse.quote(query, safe="=&")
                page = get(url)
                found = measure(url, options.seconds)
                p50, p99 = found["p50_us"] / 1000, found["p99_us"] / 1000
                most = SEARCH_MS if "search" in query else LIST_MS
                shown = query if "cursor" not in query else "limit=100&cursor=…"
                total = f"{page['total']:,}" + ("" if page["total_exact"] else "+")
                result = "pass" if p99 <= most else "FAIL"
                rows.append([f"`{shown or '(none)'}`", str(len(page["items"])), total, f"{p50:.2f}", f"{p99:.2f}", f"≤ {most}", result])
                say(" · ".join(rows[-1]))
            resident = server.resident_mib()
            run.stop_firebell(server, "reads")
    print(run.machine_line(kind, before, run.ticks()) + "  ")
    print(f"`python3 tests/bench/reads.py`: {options.rows:,} incidents, {options.open:,} not closed; {resident:.0f} MiB resident after all\n")
    print(run.table(["query", "items", "total", "p50 ms", "p99 ms", "held to", "result"], rows))
    sys.exit(bool(run.problems or any(row[-1] == "FAIL" for row in rows)))


if __name__ == "__main__":
    main()
