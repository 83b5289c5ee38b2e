#!/bin/bash
# Runs a command of a container in its workspace; as one process, so that signals reach it.
set -e
# shellcheck disable=SC1091
source /workspace/install/setup.bash
exec "$@"
