#!/bin/sh
# Where the time goes: Firebell under 64 connections with new keys, sampled for 10 s, per thread.
#
#   tests/bench/profile.sh            # wants perf and wrk; the recording stays in target/profile/perf.data
#
# Built apart from the release binary: the same code with symbols and frame pointers.
set -eu
cd "$(dirname "$0")/../.."
target=$PWD/target/profile
CARGO_PROFILE_RELEASE_STRIP=false CARGO_PROFILE_RELEASE_DEBUG=line-tables-only \
RUSTFLAGS='-C force-frame-pointers=yes' CFLAGS='-fno-omit-frame-pointer' \
    cargo build --release --locked --bin firebell --target-dir "$target"

rm -f "$target"/bench.db* "$target/stderr"
FIREBELL_STORE_PATH=$target/bench.db FIREBELL_LISTEN=127.0.0.1:0 \
    "$target/release/firebell" serve --config tests/bench/config.toml 2>"$target/stderr" &
server=$!
load=
trap 'kill $server $load 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM
until grep -q 'listening on' "$target/stderr"; do
    kill -0 $server || { cat "$target/stderr"; exit 1; }
    sleep 0.1
done
url=$(sed -n 's/.*listening on \(http:[^ ]*\).*/\1/p' "$target/stderr")

wrk -t2 -c64 -d14s -s tests/bench/load.lua "$url/webhooks/benchbenchbenchbench" -- profile- 1000000000 2 &
load=$!
sleep 2 # until it is warm
perf record -q -g -F 499 -p $server -o "$target/perf.data" -- sleep 10
wait $load

for columns in comm comm,symbol; do
    perf report -i "$target/perf.data" --stdio --no-children --sort $columns -g none 2>/dev/null |
        grep -v -e '^#' -e '^$' | sed 's/[ -]*$//' | head -60
done
