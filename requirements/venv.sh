# Read by the two commands, which set `root`: makes .venv and keeps it filled with what the requirement files pin.
#
# .venv/NAME.filled tells what requirements/NAME.txt was when the last of it was installed, and by which Python, and where: a .venv that was moved
# or whose Python was replaced no longer fits it. .venv/unfinished lies there while .venv changes; found without a lock on it, .venv is made anew.

venv=${root:?}/.venv

say() {
    printf 'penstock: %s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

# prepare_venv NAME...: .venv holds requirements/NAME.txt of each, and penstock itself.
prepare_venv() {
    if is_filled "$@"; then
        return
    fi
    [ "$(uname -s)" = Linux ] || fail "runs on Linux with glibc; this is $(uname -s)."
    if ! [ -w "$root" ] || ! [ -w "$root/requirements/run.txt" ]; then
        fail "cannot write to $root, and .venv has to be made there. Take a copy of your own."
    fi
    find_python
    (
        lock
        is_filled "$@" || fill "$@"
    ) 9<>"$root/requirements/run.txt" </dev/null
}

is_filled() {
    for name; do
        now=$(fingerprint "$name") && [ "$now" = "$(cat "$venv/$name.filled" 2>/dev/null)" ] || return 1
    done
}

fingerprint() {
    "$venv/bin/python" -I -c 'import sys; print(sys.implementation.cache_tag, sys.prefix)' 2>/dev/null &&
        cksum "$root/pyproject.toml" "$root/requirements/$1.txt"
}

# Says of the Python that runs it "suits", or what is wrong with it.
verdict='
import os, sys

version = "Python %d.%d" % sys.version_info[:2]
try:
    glibc = os.confstr("CS_GNU_LIBC_VERSION")
except (OSError, ValueError):
    glibc = None
try:
    import ensurepip, venv
except ImportError:
    venv = None
if sys.version_info < (3, 11):
    print(version + ", too old")
elif not glibc:
    print(version + " without glibc (musl?), for which PostgreSQL and Arrow come in no package")
elif not venv:
    print(version + " without its venv module; Debian and Ubuntu have it in the package python%d.%d-venv" % sys.version_info[:2])
else:
    print("suits")
'

find_python() {
    found=
    if [ -n "${PYTHON:-}" ]; then
        set -- "$PYTHON"
    else
        set -- python3 python3.14 python3.13 python3.12 python3.11
    fi
    for python; do
        answer=$("$python" -I -c "$verdict" 2>/dev/null </dev/null) || continue
        [ "$answer" != suits ] || return 0
        found="$found
    $python is $answer"
    done
    fail "needs Python 3.11 or newer with its venv module. Found: ${found:-none}
Install one, or name one: PYTHON=/path/to/python3 sh $0"
}

# The kernel keeps the lock on descriptor 9 until the last process that has it ends: a kill leaves none behind, and a pip that outlives it keeps it.
lock() {
    "$python" -I -c '
import fcntl, sys

try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("penstock: waiting for another start that is filling .venv", file=sys.stderr, flush=True)
    fcntl.flock(9, fcntl.LOCK_EX)
'
}

fill() {
    if ! is_usable; then
        say "making .venv with $("$python" --version)"
        rm -rf "$venv"
        mkdir "$venv"
        : >"$venv/unfinished"
        logged "$python" -I -m venv "$venv" || fail "could not make .venv (above: the end of .venv/install.log)."
    fi
    : >"$venv/unfinished"
    for name; do
        rm -f "$venv/$name.filled"
        say "installing $(grep -c == "$root/requirements/$name.txt") packages of requirements/$name.txt"
        install --require-hashes --only-binary :all: --requirement "$root/requirements/$name.txt"
    done
    cd "$root" || exit
    install --no-deps --no-build-isolation --editable .
    for name; do
        fingerprint "$name" >"$venv/$name.filled"
    done
    rm "$venv/unfinished"
}

is_usable() {
    [ ! -e "$venv/unfinished" ] && grep -qsF "$venv/bin/python" "$venv/bin/pip" &&
        "$venv/bin/python" -I -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

install() {
    [ -n "${HOME:-}" ] || export PIP_NO_CACHE_DIR=1
    PIP_USER=0 logged "$venv/bin/python" -I -m pip --disable-pip-version-check --no-input install --progress-bar off "$@" ||
        fail "pip could not install into .venv (above: the end of .venv/install.log). It needs the network; when that is back, start again."
}

logged() {
    "$@" >"$venv/install.log" 2>&1 || {
        tail -n 5 "$venv/install.log" >&2
        return 1
    }
}
