# Sourced by the commands beside it. Makes .venv and brings it up to date with pyproject.toml and the constraints.
# Owns nothing else; `root` must be set to the top of the repository.

fail() { printf '%s\n' "$1" >&2; exit "${2:-1}"; }

find_python() {
    local name
    for name in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 || continue
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$name"
            return
        fi
    done
    fail "Python 3.11 or newer is needed: apt-get install python3 (or set PYTHON to its path)"
}

make_venv() {
    local python version
    python=$(find_python) || exit 1
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "Python's venv module is missing: apt-get install python$version-venv"
    "$python" -m venv "$root/.venv" || fail "could not make $root/.venv: see the lines above"
}

# The last line of pip's complaint, or what a machine without a network should hear.
explain_install_failure() {
    local log=$1
    if grep -qiE 'temporary failure|name resolution|connection (refused|broken|error)|network is unreachable|max retries|timed out' "$log"; then
        fail "the packages could not be downloaded: no network? (details: $log)" 75
    fi
    fail "the packages could not be installed: $(grep -E '^(ERROR|error)' "$log" | tail -n 1) (details: $log)"
}

# ensure_venv EXTRAS: installs the project with these extras unless that has been done for the same files.
ensure_venv() {
    local extras=$1 want stamp log
    exec 9>"$root/.venv.lock" || fail "cannot write to $root"
    command -v flock >/dev/null 2>&1 && flock 9
    [ -x "$root/.venv/bin/python" ] || make_venv
    stamp="$root/.venv/.installed-$extras"
    want=$(cat "$root/pyproject.toml" "$root/scripts/constraints.txt" "$root"/presence_server/engine/*.c | cksum)
    if [ "$(cat "$stamp" 2>/dev/null)" != "$want" ]; then
        log="$root/.venv/install.log"
        printf 'Installing the packages (the first time takes about a minute) ...\n' >&2
        "$root/.venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-input \
            -c "$root/scripts/constraints.txt" -e "$root[$extras]" >"$log" 2>&1 </dev/null || explain_install_failure "$log"
        printf '%s\n' "$want" >"$stamp"
    fi
    exec 9>&-
}
