#!/usr/bin/env bash
# own-network.sh ADDRESS COMMAND…: runs COMMAND in a network of its own, which reaches nothing outside and in which this
# machine has ADDRESS besides loopback. No privileges are needed; all that COMMAND started ends with it.
set -euo pipefail

if [[ -z ${FOOTLIGHT_OWN_NETWORK:-} ]]; then
  export FOOTLIGHT_OWN_NETWORK=$1
  exec unshare --map-root-user --net --pid --fork --kill-child --mount-proc "$0" "$@"
fi
address=$1
shift
ip link set lo up
# A pair of which one end has the address: the kernels of virtual machines seldom have the `dummy` device.
ip link add own type veth peer name other
# No address by IPv6, which comes a second or two late: Chromium takes that for another network, and drops what it loads.
ip link set own addrgenmode none
ip link set other addrgenmode none
ip link set other up
ip link set own up
ip address add "$address/24" dev own
# Browsers look for their own address by way of the default route.
ip route add default dev own
"$@"
