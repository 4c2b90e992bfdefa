#!/usr/bin/env bash
# Everything that must hold before a change is taken: format, lints, all tests with the README's examples, the pages in
# a browser, the documentation, and that the benchmark's harness can be started. Installs what is missing, where it may.
#
# Stops at the first step that fails. The last line counts tests, and a step that failed: "N passed, N failed".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null

# What the tests run, beside Rust: the command, and the Debian package that it is in.
TOOLS=(curl:curl jq:jq openssl:openssl python3:python3 prometheus:prometheus prometheus-alertmanager:prometheus-alertmanager
    aiosmtpd:python3-aiosmtpd systemd-analyze:systemd chromium:chromium node:nodejs npm:npm)
NODE=20

export CARGO_TERM_COLOR=never
: "${HOME:=$(getent passwd "$(id -u)" | cut -d: -f6)}"
export HOME
command -v cargo >/dev/null || PATH="$PATH:$HOME/.cargo/bin"

scratch=$(mktemp -d)
current=start

summary() {
    local status=$? passed failed
    read -r passed failed < <(cat "$scratch"/tests* 2>/dev/null | awk '
        /^test result: / { passed += $4; failed += $6 }
        /^# pass / { passed += $3 }
        /^# (fail|cancelled) / { failed += $3 }
        END { print passed + 0, failed + 0 }')
    rm -rf "$scratch"
    if [ "$status" -ne 0 ]; then
        # A step that failed without a failed test is a failure all the same.
        [ "$failed" -gt 0 ] || failed=1
        echo "FAILED: $current (exit code $status); what comes after it was not run"
    fi
    echo "$passed passed, $failed failed"
    exit "$status"
}
trap summary EXIT

# step NAME COMMAND...: runs it in this shell, so that the first failure ends all.
step() {
    current=$1
    shift
    echo "== $current"
    local start=$SECONDS
    "$@"
    echo "== $current: ok, $((SECONDS - start)) s"
}

prerequisites() {
    local missing=() packages=() tool
    for tool in "${TOOLS[@]}"; do
        command -v "${tool%%:*}" >/dev/null || { missing+=("${tool%%:*}"); packages+=("${tool##*:}"); }
    done
    # Debian has it apart from Python.
    python3 -c 'import ensurepip' 2>/dev/null || { missing+=("python3 -m venv"); packages+=(python3-venv); }
    if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}" >/dev/null
    elif [ ${#missing[@]} -gt 0 ]; then
        echo "missing: ${missing[*]}; install them (Debian and Ubuntu: sudo apt-get install ${packages[*]})"
        return 1
    fi
    if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt "$NODE" ]; then
        echo "too old: node $(node --version); the browser tests need Node.js $NODE or later, of https://nodejs.org"
        return 1
    fi
    if ! command -v cargo >/dev/null; then
        echo "missing: cargo; https://rustup.rs installs it"
        return 1
    fi
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        rustup component add rustfmt clippy
    fi
    cargo --version
}

python_packages() {
    local venv
    venv=$(realpath -m "${CARGO_TARGET_DIR:-target}")/venv
    "$venv/bin/python3" -c '' 2>/dev/null || python3 -m venv --clear "$venv"
    "$venv/bin/python3" -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/support/requirements.txt
}

run_tests() {
    # All of them, so that one failure does not hide the next.
    cargo test --locked --no-fail-fast 2>&1 | tee "$scratch/tests"
}

browser_packages() {
    npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund --loglevel=error
}

browser_tests() {
    # As the tests before did, so that it is there.
    cargo build --locked --quiet
    FIREBELL="$(realpath "${CARGO_TARGET_DIR:-target}")/debug/firebell" CHROMIUM="$(command -v chromium)" \
        npm test --silent --prefix tests/browser 2>&1 | tee "$scratch/tests-browser"
}

documentation() {
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
}

bench_harness() {
    PYTHONPYCACHEPREFIX="$scratch/pycache" python3 -m py_compile tests/bench/*.py
    local script
    for script in tests/bench/*.sh; do
        sh -n "$script"
    done
}

step "prerequisites" prerequisites
step "format" cargo fmt --check
step "lints" cargo clippy --locked --all-targets -- -D warnings
step "Python packages" python_packages
step "tests" run_tests
step "browser packages" browser_packages
step "browser tests" browser_tests
step "documentation" documentation
step "benchmark harness" bench_harness
