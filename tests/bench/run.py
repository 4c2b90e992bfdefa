#!/usr/bin/env python3
"""Measures Firebell beside a server that does nothing on the same HTTP stack, and prints the README's tables.

    python3 tests/bench/run.py            # ten minutes or so; wants wrk, cargo and an otherwise idle machine

Absolute numbers say more about the machine than about the product, so every cell is also a ratio to the no-op
server in the same round, and the ratios are what is held to a goal and a floor. In each round and at each
number of connections, side by side and each with a fresh process:

    noop      reads the body, answers 202                        (noop.rs)
    new       Firebell, every dedup_key new, on a fresh file
    repeats   Firebell, 10,000 keys repeating, on a fresh file

then `new` at 64 connections on a file that holds 5,000,000 closed incidents beside an empty one, then the
footprint: binary, start and idle memory. All three scenarios send the same bytes by the same script (load.lua).

After each run the store is read: whatever was acknowledged has to be in it. Any refusal, socket error or lost
incident, and any value below its floor, makes the exit code 1.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parents[1]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
FIREBELL = TARGET / "release/firebell"
NOOP = TARGET / "release/examples/noop"

WEBHOOK = "/webhooks/benchbenchbenchbench"
# What wrk takes unless it is told otherwise. With one thread, on two cores, a server that does nothing has a core of
# its own, which none that also writes to a disk can have: its slowest hundredth is then that of an idle machine.
LOAD_THREADS = 2
REPEATED_KEYS = 10_000
NEW_KEYS = 1_000_000_000  # more than a run can send
WARM_UP_CONNECTIONS = 64  # whatever is measured next; it also makes the keys that then repeat
PRELOAD_CONNECTIONS = 64
STARTS = 10

# What a store holds: incidents, and acknowledged POSTs.
COUNT_SQL = "SELECT count(*), coalesce(sum(occurrences), 0) FROM incident"

# (what, key of its value, better is higher, goal, floor). Where they are equal there is nothing in between.
GATES = [
    ("new keys / no-op, 64 connections", ("ratio", "new", 64), True, 0.33, 0.22),
    ("new keys / no-op, 256 connections", ("ratio", "new", 256), True, 0.50, 0.35),
    ("repeating keys / no-op, 64 connections", ("ratio", "repeats", 64), True, 0.40, 0.33),
    ("repeating keys / no-op, 256 connections", ("ratio", "repeats", 256), True, 0.55, 0.42),
    ("new keys, 5,000,000 closed incidents / empty file", ("preload", 5_000_000), True, 0.90, 0.70),
    ("new keys: p99 / no-op's, 64 connections", ("p99 ratio", "new", 64), False, 3, 3),
    ("repeating keys: p99 / no-op's, 64 connections", ("p99 ratio", "repeats", 64), False, 3, 3),
    ("resident under load, 256 connections, MiB", ("resident", 256), False, 40, 40),
    ("binary, MiB", ("binary",), False, 12, 12),
    ("start to first answer, ms", ("first answer",), False, 50, 50),
    ("resident when idle, MiB", ("idle",), False, 15, 15),
]

problems = []  # everything that was not correct, in words


def say(text):
    print(text, file=sys.stderr, flush=True)


def problem(text):
    problems.append(text)
    say(f"PROBLEM: {text}")


# --- Servers -----------------------------------------------------------------------------------------------


class Server:
    """A child process that listens on loopback. Leaving the `with` block ends it."""

    def __init__(self, command, log, env=None):
        self.log = Path(log)
        with open(self.log, "wb") as stderr:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, env=env
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def ready(self):
        """Waits for the line that names the address, and returns the address."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if found := re.search(r"listening on (http://\S+)", self.log.read_text(errors="replace")):
                return found[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        sys.exit(f"{self.process.args[0]} did not start:\n{self.log.read_text(errors='replace')}")

    def stop(self):
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def cpu_ms(self):
        """User and system time so far, of all threads."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def resident_mib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0  # a process that died has none


def noop(folder):
    return Server([NOOP], folder / "noop.log")


def firebell(store, listen="127.0.0.1:0", config=BENCH / "config.toml"):
    env = {name: value for name, value in os.environ.items() if not name.startswith("FIREBELL_")}
    env |= {"FIREBELL_STORE_PATH": str(store), "FIREBELL_LISTEN": listen}
    return Server([FIREBELL, "serve", "--config", config], f"{store}.log", env)


def stop_firebell(server, what):
    if code := server.stop():
        problem(f"{what}: firebell ended with {code}: {server.log.read_text(errors='replace')[-500:]}")


def remove(store):
    for file in store.parent.glob(f"{store.name}*"):  # the log, SQLite's and the lock's too
        file.unlink()


# --- Load --------------------------------------------------------------------------------------------------


def wrk(server, connections, seconds, prefix, keys, threads=LOAD_THREADS):
    """Runs the load; returns what wrk counted and the server's highest resident memory meanwhile."""
    threads = min(threads, connections)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", BENCH / "load.lua", server.ready() + WEBHOOK, "--", prefix, str(keys), str(threads)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak_mib = 0
    try:
        while process.poll() is None:
            peak_mib = max(peak_mib, server.resident_mib())
            time.sleep(0.05)
        output = process.stdout.read()
    finally:
        process.kill()
        process.wait()
    line = next((line for line in output.splitlines() if line.startswith("{")), None)
    if line is None:
        sys.exit(f"wrk failed:\n{output}")
    return json.loads(line), peak_mib


def measure(what, server, connections, seconds, keys, threads=LOAD_THREADS):
    """Warms the server up, then loads it; returns one cell of the table."""
    # Repeating keys are to be those of the warm-up, new ones are not.
    warm_up, _ = wrk(server, WARM_UP_CONNECTIONS, 1, "key-" if keys == REPEATED_KEYS else "warm-", keys, threads)
    os.sync()  # what earlier runs left to be written is not this run's
    cpu_before_ms = server.cpu_ms()
    loaded, peak_mib = wrk(server, connections, seconds, "key-", keys, threads)
    cpu_ms = server.cpu_ms() - cpu_before_ms
    for phase in (warm_up, loaded):
        bad = {name: phase[name] for name in ("refused", "connect", "read", "write", "timeout") if phase[name]}
        if bad or not phase["requests"]:
            problem(f"{what}: {bad or 'no answers'} in {phase['requests']} requests")
    answered = max(loaded["requests"], 1)
    return {
        "rate": loaded["requests"] / (loaded["duration_us"] / 1e6),
        "p50": loaded["p50_us"] / 1000,
        "p99": loaded["p99_us"] / 1000,
        "cpu": cpu_ms * 1000 / answered,
        "resident": peak_mib,
        "acknowledged": warm_up["requests"] + loaded["requests"],
    }


def measure_noop(what, folder, connections, seconds, threads=LOAD_THREADS):
    with noop(folder) as server:
        return measure(what, server, connections, seconds, NEW_KEYS, threads)


def measure_firebell(what, store, connections, options, keys, preloaded=0):
    """A cell, and the check of what is in the store after it. The store is removed."""
    with firebell(store) as server:
        cell = measure(what, server, connections, options.seconds, keys, options.threads)
        stop_firebell(server, what)
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
        incidents, occurrences = database.execute(COUNT_SQL).fetchone()
    # wrk counts the answers that it has read; those under way at its end may be stored as well.
    if keys == NEW_KEYS:
        right = incidents - preloaded >= cell["acknowledged"]
    else:
        right = incidents <= keys and occurrences >= cell["acknowledged"]
    if not right:
        problem(
            f"{what}: {cell['acknowledged']} acknowledged, "
            f"{incidents - preloaded} incidents and {occurrences - preloaded} occurrences stored"
        )
    remove(store)
    return cell


# --- Scenarios ---------------------------------------------------------------------------------------------


def side_by_side(options, folder):
    """{(scenario, connections): [a cell per round]}"""
    cells = {}
    scenarios = ["noop", "new", "repeats"]
    for turn in range(options.rounds):
        for connections in options.connections:
            for scenario in scenarios:
                what = f"round {turn + 1}, {connections} connections, {scenario}"
                if scenario == "noop":
                    cell = measure_noop(what, folder, connections, options.seconds, options.threads)
                else:
                    keys = NEW_KEYS if scenario == "new" else REPEATED_KEYS
                    cell = measure_firebell(what, folder / "fresh.db", connections, options, keys)
                say(f"{what}: {cell['rate']:.0f}/s, p99 {cell['p99']:.1f} ms")
                cells.setdefault((scenario, connections), []).append(cell)
        scenarios = scenarios[1:] + scenarios[:1]  # none always runs first
    return cells


def fill(store, script, parameters):
    """Runs an SQL script of this folder over a store that nobody serves; returns how many incidents it then has."""
    with closing(sqlite3.connect(store, isolation_level=None)) as database:
        # Nobody needs a file that a crash leaves half-built.
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        statement = ""
        for line in (BENCH / script).read_text().splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                database.execute(statement, {name: value for name, value in parameters.items() if f":{name}" in statement})
                statement = ""
        database.execute("PRAGMA journal_mode = WAL")
        incidents, _ = database.execute(COUNT_SQL).fetchone()
    return incidents


def build_preloaded(store, rows):
    """The server makes the schema, preload.sql the rows."""
    say(f"preload: inserting {rows:,} closed incidents")
    with firebell(store) as server:
        server.ready()
        stop_firebell(server, "preload")
    incidents = fill(store, "preload.sql", {"rows": rows})
    if incidents != rows:
        sys.exit(f"preload.sql made {incidents} incidents, not {rows}")
    say(f"preload: {store.stat().st_size / 2**20:,.0f} MiB")


def preload(options, folder):
    """{"empty"|"full": [a cell per round]}"""
    built = folder / "built.db"
    build_preloaded(built, options.preload)
    cells = {"empty": [], "full": []}
    order = ["empty", "full"]
    for turn in range(options.rounds):
        for scenario in order:
            what = f"round {turn + 1}, {options.preload:,} closed incidents, {scenario}"
            store = folder / f"{scenario}.db"
            if scenario == "full":
                subprocess.run(["cp", "--reflink=auto", built, store], check=True)
            preloaded = options.preload if scenario == "full" else 0
            cell = measure_firebell(what, store, PRELOAD_CONNECTIONS, options, NEW_KEYS, preloaded)
            say(f"{what}: {cell['rate']:.0f}/s, p99 {cell['p99']:.1f} ms")
            cells[scenario].append(cell)
        order.reverse()
    remove(built)
    return cells


def first_answer_ms(store):
    """From spawning the process, which makes its store, to the first 2xx of GET /healthz."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begin = time.perf_counter()
    with firebell(store, f"127.0.0.1:{port}") as server:
        while True:
            try:
                # From another source address: a loop like this may otherwise connect a free port to itself.
                with socket.create_connection(("127.0.0.1", port), 5, ("127.0.0.2", 0)) as client:
                    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    if client.recv(64).startswith(b"HTTP/1.1 2"):
                        return (time.perf_counter() - begin) * 1000
            except ConnectionError:
                pass  # not there yet
            if server.process.poll() is not None or time.perf_counter() - begin > 60:
                sys.exit(f"firebell does not answer:\n{server.log.read_text(errors='replace')}")


def footprint(folder):
    say("footprint")
    store = folder / "footprint.db"
    answers_ms = []
    for _ in range(STARTS):
        answers_ms.append(first_answer_ms(store))
        remove(store)
    with firebell(store) as server:
        server.ready()
        time.sleep(1)
        idle_mib = server.resident_mib()
    remove(store)
    return {
        ("binary",): FIREBELL.stat().st_size / 2**20,
        ("first answer",): statistics.median(answers_ms),
        ("idle",): idle_mib,
    }


# --- Report ------------------------------------------------------------------------------------------------


def median(cells, field):
    return statistics.median(cell[field] for cell in cells)


def ratios(cells, others, field):
    """Each round's own."""
    return [cell[field] / other[field] if other[field] else 0 for cell, other in zip(cells, others)]


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def gate_values(options, cells, preloaded, small):
    values = dict(small)
    for (scenario, connections), mine in cells.items():
        if scenario == "noop":
            continue
        yardstick = cells["noop", connections]
        values["ratio", scenario, connections] = statistics.median(ratios(mine, yardstick, "rate"))
        values["p99 ratio", scenario, connections] = statistics.median(ratios(mine, yardstick, "p99"))
        highest = max(values.get(("resident", connections), 0), median(mine, "resident"))
        values["resident", connections] = highest
    if preloaded:
        values["preload", options.preload] = statistics.median(ratios(preloaded["full"], preloaded["empty"], "rate"))
    return values


def verdict(value, higher, goal, floor):
    if value is None:
        return "not measured"
    sign = 1 if higher else -1
    if sign * value >= sign * goal:
        return "pass"
    return "above floor" if sign * value >= sign * floor else "FAIL"


def table(head, rows):
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def row(name, cells, ratio):
    rate, p50, p99, cpu, resident = (median(cells, f) for f in ("rate", "p50", "p99", "cpu", "resident"))
    return [name, f"{rate:,.0f}", f"{p50:.2f}", f"{p99:.2f}", f"{cpu:.1f}", f"{resident:.1f}", ratio]


def report(options, machine, cells, preloaded, values):
    """The markdown, and whether a value is below its floor."""
    head = ["", "POST/s", "p50 ms", "p99 ms", "CPU ms per 1,000", "resident MiB", "ratio (lowest–highest)"]
    rows = []
    for connections in options.connections:
        for scenario, name in (("noop", "no-op server"), ("new", "new keys"), ("repeats", "repeating keys")):
            mine = cells[scenario, connections]
            rates = ratios(mine, cells["noop", connections], "rate")
            rows.append(row(f"{connections} conn., {name}", mine, "1" if scenario == "noop" else spread(rates)))
    if preloaded:
        rates = ratios(preloaded["full"], preloaded["empty"], "rate")
        rows.append(row(f"{PRELOAD_CONNECTIONS} conn., new keys, empty file", preloaded["empty"], "1"))
        name = f"{PRELOAD_CONNECTIONS} conn., new keys, {options.preload:,} closed incidents"
        rows.append(row(name, preloaded["full"], spread(rates)))

    verdicts = []
    for what, key, higher, goal, floor in GATES:
        value = values.get(key)
        sign = "≥" if higher else "≤"
        shown = "–" if value is None else f"{value:.2f}"
        result = verdict(value, higher, goal, floor)
        verdicts.append([what, shown, f"{sign} {goal:g}", f"{sign} {floor:g}", result])
    text = f"{machine}  \n`{options.command}`: medians of rounds: {options.rounds}, seconds each: {options.seconds}, "
    text += f"threads of wrk: {options.threads}\n\n"
    text += table(head, rows) + "\n\n" + table(["", "measured", "goal", "floor", "result"], verdicts) + "\n"
    if options.quick:
        text += "\nA quick look at whether it works; its numbers mean nothing and were held to no floor.\n"
    return text, any(line[-1] == "FAIL" for line in verdicts)


# --- Machine and command line ------------------------------------------------------------------------------


def filesystem(folder):
    """The type of the file system that holds the folder: its longest mount point's."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        point = point.replace("\\040", " ")
        if folder.is_relative_to(point) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def ticks():
    """All ticks of all cores since boot, and those that the host gave to somebody else."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields), fields[7]


def machine_line(kind, before, after):
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    cpu = found[1] if found else os.uname().machine
    # What a host takes away it takes from a server of two threads more than from the no-op's one.
    stolen = 100 * (after[1] - before[1]) / max(1, after[0] - before[0])
    return (
        f"{cpu}, {os.cpu_count()} cores shared with the load generator, Linux {os.uname().release}, {kind}; "
        f"{stolen:.0f} % of the cores' time was taken by the host"
    )


def build():
    # Apart: what the example asks of a shared dependency is not to end up in the product.
    for what in (["--bin", "firebell"], ["--example", "noop"]):
        subprocess.run(["cargo", "build", "--release", "--locked", *what], cwd=ROOT, check=True)


def prepare(tools, folder):
    """What every benchmark begins with: the tools that it needs, a folder, and the release build."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that children are ended then, too
    for tool in tools:
        if not shutil.which(tool):
            sys.exit(f"{tool} is needed and not installed: apt install {tool}, or dnf install {tool}")
    folder.mkdir(parents=True, exist_ok=True)
    kind = filesystem(folder.resolve())
    if kind in ("tmpfs", "ramfs"):
        sys.exit(f"{folder} is on {kind}, where a sync costs nothing: choose a disk with --dir")
    build()
    return kind


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=5, help="length of each load (5)")
    parser.add_argument("--rounds", type=int, default=3, help="at least 3 (3)")
    parser.add_argument("--connections", default="1,16,64,256", help="comma-separated (1,16,64,256)")
    parser.add_argument("--threads", type=int, default=LOAD_THREADS, help=f"of wrk ({LOAD_THREADS}, as is its own default)")
    parser.add_argument("--preload", type=int, default=5_000_000, help="closed incidents; 0 skips (5000000)")
    parser.add_argument("--dir", type=Path, default=TARGET / "bench", help="on a real disk (target/bench)")
    parser.add_argument("--out", type=Path, help="write the markdown here as well")
    parser.add_argument("--quick", action="store_true", help="one short round: does it work?")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds, options.preload = 1, 1, min(options.preload, 20_000)
    elif options.rounds < 3:
        parser.error("--rounds: a median needs at least 3")
    try:
        options.connections = [int(count) for count in options.connections.split(",")]
    except ValueError:
        parser.error("--connections: numbers, separated by commas")
    if min(options.seconds, options.threads, *options.connections) < 1 or max(options.connections) > 1000:
        parser.error("at least 1 second and 1 thread, and 1 to 1000 connections")
    options.command = " ".join(["python3 tests/bench/run.py", *sys.argv[1:]])
    return options


def main():
    options = parse_options()
    kind = prepare(["wrk"], options.dir)
    before = ticks()
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        folder = Path(folder).resolve()
        small = footprint(folder)
        cells = side_by_side(options, folder)
        preloaded = preload(options, folder) if options.preload else None
    values = gate_values(options, cells, preloaded, small)
    text, below_floor = report(options, machine_line(kind, before, ticks()), cells, preloaded, values)
    print(text)
    if options.out:
        options.out.write_text(text)
    for line in problems:
        say(f"PROBLEM: {line}")
    sys.exit(bool(problems or (below_floor and not options.quick)))


if __name__ == "__main__":
    main()
