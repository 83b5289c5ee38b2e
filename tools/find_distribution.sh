#!/usr/bin/env bash
# Print the prefix of the ROS 2 distribution that this shell has sourced, nothing if there is none.
set -u
[[ -n ${ROS_DISTRO:-} ]] || exit 0
IFS=: read -ra prefixes <<<"${AMENT_PREFIX_PATH:-}"
for prefix in "${prefixes[@]}"; do
  # A prefix that is a virtual environment is ROS from PyPI, of this or another checkout.
  if [[ -e $prefix/share/rclpy/package.xml && ! -e $prefix/pyvenv.cfg ]]; then
    echo "$prefix"
    exit 0
  fi
done
