#!/usr/bin/env bash
# in-network.sh ARGUMENT…: runs the browser FOOTLIGHT_BROWSER in the network of the process FOOTLIGHT_NETWORK_OF, which this
# user must own. A script, because what starts browsers takes a program and arguments for it, and not a program that starts
# another one.
set -euo pipefail

exec nsenter --target "$FOOTLIGHT_NETWORK_OF" --net -- "$FOOTLIGHT_BROWSER" "$@"
