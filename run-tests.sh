#!/bin/sh
# Every check there is: sh run-tests.sh [--long] [arguments of pytest]
#
# --long draws as many random cases as the issues name. Arguments of pytest choose among the tests, and then no coverage is asked for.
# All checks run, whichever fail; the exit code is 1 if any did, and the last line is pytest's own.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
. "$root/requirements/venv.sh"

prepare_venv run test
cd "$root"
PATH=$venv/bin:$PATH
export PATH

for argument; do
    shift
    case $argument in
        --long) export PENSTOCK_TEST_SCALE=long ;;
        *) set -- "$@" "$argument" ;;
    esac
done

failed=

# check NAME COMMAND...: runs it, and remembers its name if it fails.
check() {
    name=$1
    shift
    printf '\n== %s\n' "$name"
    "$@" || failed="$failed, $name"
}

# tests COMMAND...: shows what it prints, keeps it for the last line, and fails as it does.
tests() {
    [ ! -t 1 ] || set -- "$@" --color=yes
    {
        code=0
        "$@" || code=$?
        echo "$code" >"$venv/pytest.code"
    } | tee -i "$venv/pytest.log"
    return "$(cat "$venv/pytest.code")"
}

# covered PERCENT ROOM...: of each room of src/penstock at least so many percent of lines and branches ran.
covered() {
    least=$1
    short=0
    shift
    for room; do
        percent=$(coverage report --precision=2 --format=total --include="src/penstock/$room/*" --fail-under="$least") || short=1
        printf '%-12s %6s %% of %s %%\n' "$room" "${percent%%[!0-9.]*}" "$least"
    done
    return "$short"
}

check "ruff format" ruff format --check .
check "ruff check" ruff check .
check "mypy" mypy
check "lint-imports" lint-imports

if [ $# -gt 0 ]; then
    check "pytest" tests pytest "$@"
else
    coverage erase
    check "pytest" tests coverage run -m pytest --numprocesses=3 --dist=load --maxschedchunk=1
    check "coverage combine" coverage combine --quiet
    check "coverage" coverage report
    check "coverage of the core" covered 100 model ports reliability queue engine
    check "coverage of wings, pipelines and stores" covered 90 extract instruments pipelines stores
fi

echo
[ -z "$failed" ] || printf 'failed: %s\n' "${failed#, }"
tail -n 1 "$venv/pytest.log"
[ -z "$failed" ]
