#!/usr/bin/env bash
# check_install.sh CMAKE BUILD SOURCE COMPILER: installs the build into a temporary folder, builds docs/example against it, and
# checks what was installed.
set -euo pipefail
cmake=$1 build=$2 source=$3 compiler=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

fail() { echo "FAILED: $*" >&2; exit 1; }

"$cmake" --install "$build" --prefix "$prefix" >"$work/install.log" || { cat "$work/install.log"; fail "cmake --install"; }

echo "-- the files"
for file in bin/fmboost include/fmboost/pipeline/upscale.h share/fmboost/models/default/bundle.json \
  share/fmboost/data/clip/vocab.json share/doc/fmboost/LICENSE; do
  [ -f "$prefix/$file" ] || fail "$file is not installed"
done
# Every file of the default model, its README included, and nothing that only made it.
diff -r "$source/models/default" "$prefix/share/fmboost/models/default" || fail "models/default is not installed as it is"
leaked=$(find "$prefix" \( -ipath '*workshop*' -o -iname '*drawing*' -o -iname '*draw' -o -name '*.cpp' -o -name '*.py' \) -print)
[ -z "$leaked" ] || fail "these files do not belong into an installation: $leaked"

# configure_and_build NAME FOLDER: a project that finds the installed library and nothing of the source tree.
configure_and_build() {
  local log=$work/$1.log
  { "$cmake" -S "$2" -B "$work/$1" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" \
    -DCMAKE_PREFIX_PATH="$prefix" && "$cmake" --build "$work/$1" -- -k 0; } >"$log" 2>&1 ||
    { cat "$log"; fail "$2 does not build against the installed library"; }
}

echo "-- the example"
configure_and_build example "$source/docs/example"
size=$("$work/example/example" "$prefix/share/fmboost/models/default")
[ "$size" = 128x96 ] || fail "the example printed '$size', not 128x96"

echo "-- the program"
model=$(env -u FMBOOST_MODEL "$prefix/bin/fmboost" inspect --json)
[[ $model == *"\"$prefix/share/fmboost/models/default\""* ]] || fail "the installed program does not find the installed model"

echo "-- the public headers, each on its own"
configure_and_build headers "$source/tests/install/headers"
