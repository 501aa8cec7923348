# Sourced by scripts/run and scripts/test: installs what is missing, configures and builds build/release.
# Everything it has to say goes to stderr; when nothing is to be done it says nothing.
#
# FMBOOST_TORCH  unset   LibTorch of the PyPI wheel (CUDA on x86-64 Linux), installed into .deps/venv
#                cpu     the CPU-only wheel, where the package index in use has one
#                a path  an unzipped LibTorch, or a folder that holds TorchConfig.cmake
# FMBOOST_PYTHON          the Python to make the virtual environment with (default: python3)

torch_version=2.11.0
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps=$root/.deps
build=$root/build/release
venv=$deps/venv

debian_packages=(
  build-essential cmake ninja-build ccache pkg-config git
  libcli11-dev libtomlplusplus-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libstb-dev libspng-dev libjpeg-dev libwebp-dev
  libtiff-dev zlib1g-dev liblcms2-dev libarchive-dev libutf8proc-dev libcairo2-dev libssl-dev libgloo-dev libgtest-dev libgmock-dev
)
# Installed where the distribution has them: AVIF and JPEG XL images, faster compression of PNG and TIFF.
optional_debian_packages=(libavif-dev libjxl-dev libisal-dev)

say() { printf 'fmboost: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# run_logged LOG COMMAND...: the command's chatter goes into the log; a line every half minute says that it still runs.
# On failure the end of the log is shown.
run_logged() {
  local log=$1 status=0 ticker
  shift
  mkdir -p "$(dirname "$log")"
  (while sleep 30; do say "... still working (${SECONDS} s)"; done) &
  ticker=$!
  SECONDS=0 "$@" >"$log" 2>&1 || status=$?
  kill "$ticker" 2>/dev/null
  wait "$ticker" 2>/dev/null
  [ "$status" -eq 0 ] || tail -n 40 "$log" >&2
  return "$status"
}

# show_steps: reads ninja's output and shows how far it is, on one line of a terminal or every tenth in a log.
show_steps() {
  local line step total tenth last=-1
  while IFS= read -r line; do
    [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
    step=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]}
    if [ -t 2 ]; then
      printf '\rfmboost: building, step %d of %d ' "$step" "$total" >&2
    else
      tenth=$((step * 10 / total))
      [ "$tenth" -eq "$last" ] || say "building, step $step of $total"
      last=$tenth
    fi
  done
  if [ -t 2 ] && [ -n "${step:-}" ]; then printf '\n' >&2; fi
}

# Installs those of the packages that the distribution has.
install_optional_debian_packages() {
  local found=() package
  for package in "$@"; do
    dpkg-query -W "$package" >/dev/null 2>&1 && continue
    command -v apt-cache >/dev/null && [ -n "$(apt-cache search --names-only "^$package\$")" ] && found+=("$package")
  done
  [ ${#found[@]} -eq 0 ] || install_debian_packages "${found[@]}"
}

install_debian_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  command -v apt-get >/dev/null || die "these packages are missing, and there is no apt-get to install them: ${missing[*]}"
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "these packages are missing; install them as root: apt-get install ${missing[*]}"
    sudo=(sudo)
  fi
  say "installing Debian packages: ${missing[*]}"
  local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y)
  run_logged "$deps/apt.log" "${apt[@]}" update &&
    run_logged "$deps/apt.log" "${apt[@]}" install --no-install-recommends "${missing[@]}" ||
    die "apt-get could not install: ${missing[*]}"
}

# install_python_packages NAME REQUIREMENT...: once for every list, remembered by a stamp in the environment.
install_python_packages() {
  local name=$1 stamp
  shift
  stamp=$venv/installed-$name
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$*" ] && return
  if [ ! -x "$venv/bin/pip" ]; then
    local python=${FMBOOST_PYTHON:-python3}
    command -v "$python" >/dev/null && "$python" -c 'import ensurepip, venv' 2>/dev/null ||
      install_debian_packages python3 python3-venv
    say "making a Python environment in ${venv#"$root/"}"
    mkdir -p "$deps" && rm -rf "$venv" && "$python" -m venv "$venv" >&2 || die "could not make $venv"
  fi
  say "installing Python packages into ${venv#"$root/"}: $* (this can take some minutes)"
  run_logged "$deps/pip-$name.log" "$venv/bin/pip" install --disable-pip-version-check "$@" ||
    die "pip could not install: $*"
  printf '%s' "$*" >"$stamp"
}

# Sets torch_prefix, the folder for CMAKE_PREFIX_PATH.
find_torch() {
  case ${FMBOOST_TORCH:-} in
    "") install_python_packages torch "torch==$torch_version" numpy ;;
    cpu) install_python_packages torch "torch==$torch_version+cpu" numpy ;;
    *)
      torch_prefix=$(cd "$FMBOOST_TORCH" 2>/dev/null && pwd) || die "FMBOOST_TORCH=$FMBOOST_TORCH is not a folder"
      [ -f "$torch_prefix/share/cmake/Torch/TorchConfig.cmake" ] || [ -f "$torch_prefix/TorchConfig.cmake" ] ||
        die "FMBOOST_TORCH=$FMBOOST_TORCH holds no LibTorch (share/cmake/Torch/TorchConfig.cmake)"
      return
      ;;
  esac
  torch_prefix=$(echo "$venv"/lib/python3*/site-packages/torch/share/cmake)
}

# up_to_date TARGET FOLDER...: no source is newer than the last build of TARGET with the same settings.
up_to_date() {
  local stamp=$build/.built-$1
  [ -x "$build/bin/fmboost" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$settings" ] || return 1
  shift
  [ -z "$(cd "$root" && find CMakeLists.txt CMakePresets.json cmake scripts/setup.sh "$@" -newer "$stamp" \
    -not -name '*.py' -not -name '*.pyc' -not -name '__pycache__' -print -quit)" ]
}

# build_fmboost TARGET [CMAKE OPTION...]: builds the tool alone (fmboost_tool) or everything (all).
build_fmboost() {
  local target=$1 log=$build/build.log folders=(src include tools)
  shift
  [ "$target" = all ] && folders+=(tests models/workshop)
  settings="${FMBOOST_TORCH:-wheel} $torch_version $*"
  up_to_date "$target" "${folders[@]}" && return
  install_debian_packages "${debian_packages[@]}"
  install_optional_debian_packages "${optional_debian_packages[@]}"
  find_torch
  mkdir -p "$build"
  printf '%s' "$settings" >"$build/.building-$target" # its time is the build's start: later edits are newer
  say "building in build/release (a first build takes several minutes)"
  if ! (set -o pipefail && cd "$root" && { cmake --preset release -DFMBOOST_UNITY=ON -DCMAKE_PREFIX_PATH="$torch_prefix" "$@" &&
    cmake --build build/release --target "$target"; } 2>&1 | tee "$log" | show_steps); then
    grep -A 12 -m 5 -E 'error:|Error|FAILED' "$log" >&2 || tail -n 40 "$log" >&2
    die "the build failed; the whole log is in build/release/build.log"
  fi
  mv "$build/.building-$target" "$build/.built-$target"
}
