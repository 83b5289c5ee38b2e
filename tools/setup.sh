#!/usr/bin/env bash
# Set up the environment that make uses: ROS 2, the Python libraries, the built package.
#
#     tools/setup.sh [--quiet]      --quiet: print nothing if there is nothing to do
#
# A sourced ROS 2 distribution is used as it is, and .venv holds only what it lacks. Without one,
# ROS 2 Jazzy is installed from PyPI into .venv. Another run repeats only the steps that are out of
# date. PYTHON=… chooses the Python; SCENES=OFF leaves out the rendered scenes and their models; both
# are remembered. The output of every step goes to log/setup.log.
set -euo pipefail

# With CDPATH, cd would print where it goes, and may go elsewhere.
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"
venv=$root/.venv
log=$root/log/setup.log
quiet=
[[ ${1:-} != --quiet ]] || quiet=yes

stop() {
  echo "setup: $*" >&2
  exit 1
}

say() {
  [[ -n $quiet ]] || echo "$*"
}

# step TEXT COMMAND…: run the command with its output in the log, and print how long it took; on a
# terminal also how long it has taken so far.
step() {
  local text=$1 start=$SECONDS clock=
  shift
  quiet=
  printf '  %s … ' "$text"
  if [[ -t 1 ]]; then
    # Ctrl-C does not reach what a script has in the background, so it sees for itself.
    while sleep 1 && kill -0 $$ 2>/dev/null; do
      printf '\r  %s … %d s' "$text" $((SECONDS - start))
    done &
    clock=$!
  fi
  # Not as a condition: there, bash goes on after a command that fails.
  set +e
  (set -e; "$@") >>"$log" 2>&1
  local code=$?
  set -e
  if [[ -n $clock ]]; then
    kill "$clock"
    wait "$clock" 2>/dev/null || true
    printf '\r  %s … ' "$text"
  fi
  if ((code)); then
    printf 'failed\n\n'
    tail -n 25 "$log" >&2
    stop "the step above failed; all of its output is in ${log#"$root"/}"
  fi
  printf '%d s\n' $((SECONDS - start))
}

# A short hash of the state that a step depends on: the step is repeated when the hash changes. What
# it reads is put in order by sort and globs, so with LC_ALL=C, which is the same in every shell.
digest() {
  sha256sum | cut -c -16
}

# problem_of PYTHON: why this Python can't be used, or nothing if it can.
problem_of() {
  "$1" - "$distribution" 2>/dev/null <<'PYTHON' || echo 'does not run'
import importlib.util, os, platform, sys, sysconfig
version = '{}.{}'.format(*sys.version_info)
headers = os.path.join(sysconfig.get_paths()['include'], 'Python.h')
if platform.python_implementation() != 'CPython' or not (3, 10) <= sys.version_info[:2] <= (3, 13):
    print('is {} {}'.format(platform.python_implementation(), version))
elif sysconfig.get_config_var('Py_GIL_DISABLED'):
    print('is free-threaded')
elif importlib.util.find_spec('ensurepip') is None:
    print('has no venv module (sudo apt-get install python{}-venv)'.format(version))
elif not os.path.isfile(headers):
    print('has no headers (sudo apt-get install python{}-dev)'.format(version))
elif sys.argv[1]:
    try:
        import rclpy.node
    except ImportError:
        print('is {}, which cannot load rclpy of {}'.format(version, sys.argv[1]))
PYTHON
}

# The Python that a virtual environment was made from, or the Python itself.
base_of() {
  "$1" -c 'import os, sys; print(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))'
}

# choose_python CANDIDATE…: set python to $PYTHON, or else to the first candidate that can be used.
# The environment's own Python is the first candidate, so that PYTHON=… is needed only once.
choose_python() {
  local candidate problem problems=''
  [[ -z ${PYTHON:-} ]] || set -- "$PYTHON"
  for candidate in "$@"; do
    if ! command -v "$candidate" >/dev/null; then
      [[ -z ${PYTHON:-} ]] || problems+="; there is no $candidate"
      continue
    fi
    problem=$(problem_of "$candidate")
    if [[ -z $problem ]]; then
      python=$(base_of "$candidate")
      return
    fi
    problems+="; $candidate $problem"
  done
  stop "CPython 3.10 to 3.13 is needed${problems:-; found no Python at all}." \
    "Install one (sudo apt-get install python3-venv python3-dev), or name one: PYTHON=… make setup"
}

# ---- which ROS 2, which Python

distribution=$(tools/find_distribution.sh)
if [[ -z $distribution && -e $venv/distribution ]]; then
  # The distribution of the first setup stays in use, even in shells that have not sourced it.
  distribution=$(<"$venv/distribution")
  [[ -z $distribution || -e $distribution/setup.bash ]] || distribution=
  if [[ -n $distribution ]]; then
    set +eu
    # shellcheck disable=SC1091
    source "$distribution/setup.bash"
    set -eu
  fi
fi

if [[ -n $distribution ]]; then
  choose_python "$venv/bin/python" python3 /usr/bin/python3
  ros="ROS 2 ${ROS_DISTRO:-} of $distribution"
else
  installed=$(compgen -G '/opt/ros/*/setup.bash' | tail -n 1 || true)
  hint=${installed:+ An installed one is used after \`source $installed\`.}
  if [[ $(uname -s)-$(uname -m) != Linux-x86_64 ]]; then
    stop "no ROS 2 distribution is sourced, and PyPI has none for $(uname -s) $(uname -m);" \
      "install one (https://docs.ros.org/en/jazzy/Installation.html) and source it.$hint"
  fi
  choose_python "$venv/bin/python" python3.12 python3.11 python3.13 python3.10 python3
  ros="ROS 2 Jazzy from PyPI.$hint"
  # Keep variables that another checkout's environment left in this shell out of the build.
  unset PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH
fi

# ---- tools

for compiler in cc c++; do
  command -v "$compiler" >/dev/null || [[ -n ${CC:+${CXX:-}} ]] ||
    stop 'a C++ compiler is needed: sudo apt-get install build-essential'
done
cmake_is_new_enough() {
  local version
  version=$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9]*\.[0-9]*\).*/\1/p')
  [[ -n $version && $(printf '%s\n' 3.22 "$version" | sort -V | head -n 1) == 3.22 ]]
}

# One setup at a time; the lock ends with the process.
exec 9<"$root/tools/setup.sh"
if command -v flock >/dev/null && ! flock -n 9; then
  echo 'setup: waiting for another one in this checkout'
  flock 9
fi

# ---- the virtual environment

base="$root $distribution $python $("$python" --version)"
wanted=$(export LC_ALL=C
  cat <(echo "$base") tools/setup.sh tools/{constraints,requirements-*}.txt | digest)
mkdir -p log

make_venv() {
  rm -rf "$venv" build install
  if [[ -n $distribution ]]; then
    "$python" -m venv --system-site-packages "$venv"
  else
    "$python" -m venv "$venv"
  fi
  echo "$base" >"$venv/base"
  echo "$distribution" >"$venv/distribution"
}

install_with_ros_from_pypi() {
  local requirements=(-r tools/requirements-jazzy.txt -r tools/requirements-colcon.txt
    -r tools/requirements-runtime.txt -r tools/requirements-test.txt)
  if ! cmake_is_new_enough || ! command -v make >/dev/null; then
    requirements+=(-r tools/requirements-cmake.txt)
  fi
  "$venv/bin/pip" install --disable-pip-version-check -c tools/constraints.txt "${requirements[@]}"
}

# The wheels' CMake files contain the paths of Python and NumPy on the machine that built them.
mend_cmake_files() {
  "$venv/bin/python" - "$venv/share" <<'PYTHON'
import pathlib, re, sys, sysconfig
import numpy
python_include, numpy_include = sysconfig.get_paths()['include'], numpy.get_include()
mended = 0
for file in pathlib.Path(sys.argv[1]).glob('*/cmake/*.cmake'):
    text = file.read_text()
    new = re.sub(r'/opt/python/[^;"]*/numpy/_core/include', numpy_include, text)
    new = re.sub(r'/opt/python/[^;"]*/include/python3\.\d+', python_include, new)
    if new != text:
        file.write_text(new)
        mended += 1
print('CMake files mended:', mended)
PYTHON
}

# Install only what the distribution lacks, and nothing that breaks packages built for its NumPy.
install_beside_distribution() {
  local missing
  "$venv/bin/python" - >"$venv/constraints.txt" <<'PYTHON'
import numpy
if int(numpy.__version__.split('.')[0]) < 2:
    print('numpy<2')
PYTHON
  missing=$("$venv/bin/python" - <<'PYTHON'
import importlib.util
needed = {'cv2': 'opencv-python-headless', 'onnxruntime': 'onnxruntime', 'rich': 'rich',
          'yaml': 'PyYAML', 'PIL': 'pillow', 'scipy': 'scipy'}
print(*(name for module, name in needed.items() if importlib.util.find_spec(module) is None))
PYTHON
  )
  local pip=("$venv/bin/pip" install --disable-pip-version-check -c "$venv/constraints.txt")
  # shellcheck disable=SC2086
  [[ -z $missing ]] || "${pip[@]}" $missing
  command -v colcon >/dev/null || "${pip[@]}" -r tools/requirements-colcon.txt
  cmake_is_new_enough || "${pip[@]}" -r tools/requirements-cmake.txt
  grep -v '^nudenet' tools/requirements-test.txt >"$venv/requirements-test.txt"
  "${pip[@]}" -r "$venv/requirements-test.txt"
  # It requires OpenCV and ONNX Runtime under names that apt's and NVIDIA's packages don't have.
  "${pip[@]}" --no-deps "$(grep '^nudenet' tools/requirements-test.txt)"
}

# Types of TensorRT's API for mypy, in a separate folder: a folder `tensorrt` beside the other
# packages would hide whether TensorRT is installed. They require TensorRT itself, hence --no-deps.
# In a few places they are not valid Python, because the generator copied C++ names.
install_types() {
  rm -rf "$venv/stubs"
  "$venv/bin/pip" install --disable-pip-version-check --no-deps --target "$venv/stubs" \
    -r tools/requirements-stubs.txt
  sed -i -E -e 's/([(,] ?)in: /\1in_: /' \
    -e 's/channel_axis: int\) -> IScaleLayer/channel_axis: int = ...) -> IScaleLayer/' \
    "$venv/stubs/tensorrt_bindings/tensorrt.pyi"
  sed -i '/^import tensorrt_libs/d' "$venv/stubs/tensorrt/__init__.pyi"
}

if [[ $(cat "$venv/stamp" 2>/dev/null) != "$wanted" ]]; then
  : >"$log"
  echo "$ros"
  [[ $(cat "$venv/base" 2>/dev/null) == "$base" ]] ||
    step "virtual environment with $("$python" --version)" make_venv
  rm -f "$venv/stamp"
  if [[ -n $distribution ]]; then
    step 'Python libraries and tools that it lacks' install_beside_distribution
  else
    step 'ROS 2, Python libraries and tools' install_with_ros_from_pypi
    step 'include folders in the CMake files' mend_cmake_files
  fi
  step "types of TensorRT's API" install_types
  echo "$wanted" >"$venv/stamp"
fi

# ---- the package

export _jetson_perception_building=yes
# shellcheck source=tools/env.sh
source tools/env.sh
unset _jetson_perception_building

has_vision_msgs() {
  local prefix prefixes
  IFS=: read -ra prefixes <<<"$AMENT_PREFIX_PATH"
  for prefix in "${prefixes[@]}"; do
    [[ $prefix == "$root"/* || ! -e $prefix/share/vision_msgs/package.xml ]] || return 0
  done
  return 1
}

# The packages are named explicitly: a search from here would stop at this one and skip interfaces/,
# as intended in a robot's workspace, where vision_msgs comes from the distribution.
packages=(.)
has_vision_msgs || packages=(interfaces/vision_msgs .)

scenes=${SCENES:-$(cat install/scenes 2>/dev/null || echo ON)}
[[ $scenes == ON || $scenes == OFF ]] || stop "SCENES is $scenes; expected ON or OFF"

build() {
  local generator=()
  command -v make >/dev/null || generator=(-G Ninja)
  colcon build --symlink-install --base-paths "${packages[@]}" --cmake-args "${generator[@]}" \
    -DPython3_EXECUTABLE="$venv/bin/python" -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=Release \
    -DWITH_SCENES="$scenes"
  # Otherwise links to files that were moved or removed remain, and look like modules.
  find install -xtype l -delete
  echo "$scenes" >install/scenes
}

# Edits take effect through the symbolic links of install/; a build is needed for changes to
# messages and CMake files, and for files that were added or removed.
built_for=$({
  export LC_ALL=C
  echo "$wanted" "${packages[@]}" "$scenes"
  cat CMakeLists.txt package.xml msg/* srv/* resource/* interfaces/vision_msgs/{CMakeLists.txt,package.xml,msg/*}
  cat scenes/entry_points.txt
  find jetson_perception scenes/jetson_perception_scenes config launch models -name __pycache__ -prune -o -type f -print | sort
} | digest)
if [[ $(cat install/stamp 2>/dev/null) != "$built_for" ]]; then
  names='the package'
  has_vision_msgs || names='vision_msgs and the package'
  # A build that is interrupted must not pass for the one before, once its changes are taken back.
  rm -f install/stamp
  step "build of $names" build
  echo "$built_for" >install/stamp
fi

say "ready; run \`source tools/env.sh\` before your own commands"
