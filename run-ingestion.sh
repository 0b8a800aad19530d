#!/bin/sh
# The main job on a fresh machine: sh run-ingestion.sh [arguments of penstock extract]
#
# Needs glibc Linux and Python 3.11 or newer. What else it needs it installs into .venv, the first time and whenever the pins change.
# PYTHON names the interpreter to make .venv with, where the first that suits is not the one you want.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
. "$root/requirements/venv.sh"

prepare_venv run
exec "$venv/bin/penstock" extract "$@"
