# shellcheck shell=bash disable=SC1090,SC2296
# Set up the environment that make uses, in your own bash or zsh, from any folder:
#
#     source tools/env.sh
#
# It contains ROS 2 (the distribution that was sourced when `make setup` ran, or else the one in
# .venv), the Python libraries of .venv, and the package as built in install/. You may source it
# twice.

if [ -n "${ZSH_VERSION:-}" ]; then
  _jetson_perception_file=${(%):-%x}
else
  _jetson_perception_file=${BASH_SOURCE[0]}
fi

_jetson_perception_env() {
  local root venv distribution sourced shell entry variable
  root=$(CDPATH='' cd -- "$(dirname -- "$1")/.." && pwd -P) || return 1
  venv=$root/.venv
  shell=bash
  [ -z "${ZSH_VERSION:-}" ] || shell=zsh

  if [ ! -e "$venv/distribution" ]; then
    echo "tools/env.sh: the environment does not exist yet; run \`make setup\` in $root first" >&2
    return 1
  fi
  distribution=$(cat "$venv/distribution")
  if [ -n "$distribution" ] && [ ! -e "$distribution/setup.$shell" ]; then
    echo "tools/env.sh: $distribution, whose ROS 2 this environment was made for, has no" \
      "setup.$shell any more; install it again, or run \`make setup\` in $root, in a shell that has" \
      "sourced another distribution, or none for that of PyPI" >&2
    return 1
  fi
  # Its modules would be found before those of the environment.
  sourced=$(bash "$root/tools/find_distribution.sh")
  if [ -n "$sourced" ]; then
    case ":${AMENT_PREFIX_PATH:-}:" in
      *":${distribution:-none}:"*) ;;
      *)
        echo "tools/env.sh: this shell has sourced ROS 2 of $sourced, and the environment in $root was" \
          "made for that of ${distribution:-PyPI}; use a shell that has not" \
          "sourced it, or run \`make setup\` in this one, which makes the environment anew" >&2
        return 1
        ;;
    esac
  fi
  # Remove what an earlier call added, so that the order stays the same.
  for variable in PATH LD_LIBRARY_PATH PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH; do
    _jetson_perception_drop "$variable" "$root"
  done

  if [ -n "$distribution" ]; then
    case ":${AMENT_PREFIX_PATH:-}:" in
      *":$distribution:"*) ;;
      *) . "$distribution/setup.$shell" ;;
    esac
  else
    export ROS_DISTRO=jazzy ROS_VERSION=2 ROS_PYTHON_VERSION=3
    _jetson_perception_prepend AMENT_PREFIX_PATH "$venv"
    _jetson_perception_prepend CMAKE_PREFIX_PATH "$venv"
    # Otherwise the wheels' start-up hook would set this path, and start every Python twice to do so.
    export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1
    for entry in "$venv"/lib/python3*/site-packages/ros_*.libs "$venv/lib"; do
      _jetson_perception_prepend LD_LIBRARY_PATH "$entry"
    done
  fi
  _jetson_perception_prepend PATH "$venv/bin"

  # While tools/setup.sh builds the package, install/ does not exist yet.
  if [ -e "$root/install/local_setup.$shell" ]; then
    . "$root/install/local_setup.$shell"
  elif [ -z "${_jetson_perception_building:-}" ]; then
    echo "tools/env.sh: the package is not built; run \`make setup\` in $root first" >&2
    return 1
  fi
}

# _jetson_perception_prepend VARIABLE ENTRY: put ENTRY first in a colon-separated list.
_jetson_perception_prepend() {
  eval "export $1=\"\$2\${$1:+:\$$1}\""
}

# _jetson_perception_drop VARIABLE FOLDER: remove entries below FOLDER from such a list.
_jetson_perception_drop() {
  local rest entry kept
  eval "rest=\${$1:-}"
  [ -n "$rest" ] || return 0
  kept=
  rest=$rest:
  while [ -n "$rest" ]; do
    entry=${rest%%:*}
    rest=${rest#*:}
    case $entry in
      '' | "$2"/*) ;;
      *) kept=${kept:+$kept:}$entry ;;
    esac
  done
  if [ -n "$kept" ]; then
    eval "export $1=\"\$kept\""
  else
    unset "$1"
  fi
}

# The setup files of ROS and colcon read unset variables.
case $- in
  *u*) _jetson_perception_nounset=u ;;
  *) _jetson_perception_nounset= ;;
esac
set +u
if _jetson_perception_env "$_jetson_perception_file"; then
  _jetson_perception_status=0
else
  _jetson_perception_status=1
fi
[ -z "$_jetson_perception_nounset" ] || set -u
unset -f _jetson_perception_env _jetson_perception_prepend _jetson_perception_drop
unset _jetson_perception_file _jetson_perception_nounset
if [ "$_jetson_perception_status" != 0 ]; then
  unset _jetson_perception_status
  return 1
fi
unset _jetson_perception_status
