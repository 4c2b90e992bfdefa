#!/usr/bin/env python3
"""Measures the pages on a long list of open incidents, and prints a table.

    python3 tests/bench/pages.py          # a minute; wants wrk, cargo and an otherwise idle machine

The store holds 100,000 incidents (history.sql), all of them open unless told otherwise. Each page is asked for by one
client after the other (one connection) for some seconds. The first page is held to 30 ms at the 99th percentile.
"""

import argparse
import re
import sys
import tempfile
import urllib.request
from pathlib import Path

import reads
import run
from run import say

FIRST_PAGE_MS = 30

PAGES = ["/", "/?severity=SEV1", "/?status=all&sort=-created_at", "/?status=all&search=disk", "/integrations", "/services"]


def fetch(url):
    request = urllib.request.Request(url, headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=3, help="length of each load (3)")
    parser.add_argument("--rows", type=int, default=100_000, help="incidents (100000)")
    parser.add_argument("--open", type=int, help="of them open (all)")
    parser.add_argument("--dir", type=Path, default=run.TARGET / "bench", help="on a real disk (target/bench)")
    options = parser.parse_args()
    kind = run.prepare(["wrk"], options.dir)
    before = run.ticks()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        store = Path(folder).resolve() / "history.db"
        reads.build(store, options.rows, options.rows if options.open is None else options.open)
        with run.firebell(store) as server:
            base = server.ready()
            first = fetch(f"{base}/")
            number = re.search(r'data-number="([^"]+)"', first)[1]
            cursor = re.search(r'href="([^"]*cursor[^"]*)"', first)[1]
            second = cursor.replace("&#x2f;", "/").replace("&amp;", "&")
            for path in [*PAGES, second, f"/incidents/{number}"]:
                size, found = len(fetch(base + path).encode()), reads.measure(base + path, options.seconds, "-H", "Accept: text/html")
                p50, p99 = found["p50_us"] / 1000, found["p99_us"] / 1000
                limit, result = ("", "") if path != "/" else (f"≤ {FIRST_PAGE_MS}", "pass" if p99 <= FIRST_PAGE_MS else "FAIL")
                shown = "/?cursor=…" if "cursor" in path else path.replace(number, "INC-…")
                rows.append([f"`{shown}`", f"{size / 1024:.1f}", f"{p50:.2f}", f"{p99:.2f}", limit, result])
                say(" · ".join(rows[-1]))
            run.stop_firebell(server, "pages")
    print(run.machine_line(kind, before, run.ticks()) + "  ")
    print(f"`python3 tests/bench/pages.py`: {options.rows:,} incidents\n")
    print(run.table(["page", "KiB", "p50 ms", "p99 ms", "held to", "result"], rows))
    sys.exit(bool(run.problems or any(row[-1] == "FAIL" for row in rows)))


if __name__ == "__main__":
    main()
