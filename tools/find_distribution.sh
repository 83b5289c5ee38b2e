#!/usr/bin/env bash
# Print the prefix of the ROS 2 distribution that this shell has sourced, or nothing.
set -u
[[ -n ${ROS_DISTRO:-} ]] || exit 0
IFS=: read -ra prefixes <<<"${AMENT_PREFIX_PATH:-}"
for prefix in "${prefixes[@]}"; do
  # A virtual environment has ROS from PyPI, and belongs to this or another checkout.
  if [[ -e $prefix/share/rclpy/package.xml && ! -e $prefix/pyvenv.cfg ]]; then
    echo "$prefix"
    exit 0
  fi
done
