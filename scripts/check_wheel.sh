#!/usr/bin/env bash
# Builds the wheel and runs the demo from it, in an environment that holds only the core, without a network
# where the system can take it away. Usage: check_wheel.sh PYTHON
set -euo pipefail
python=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m build --no-isolation --sdist --wheel --outdir "$work" . > "$work/build.log" || { cat "$work/build.log"; exit 1; }
tar -tzf "$work"/twinset-*.tar.gz | sed 's|^[^/]*/src/||' > "$work/sdist.list"
"$python" -m zipfile -l "$work"/twinset-*.whl > "$work/wheel.list"
for list in sdist wheel; do
    find src/twinset/web -type f | sed 's|^src/||' | while read -r file; do
        grep -qE "^$file( |\$)" "$work/$list.list" || { echo "check_wheel: $file is not in the $list"; exit 1; }
    done
done
echo "check_wheel: the page's files are in the sdist and in the wheel"
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$work"/twinset-*.whl

alone=()
if unshare --net true 2> /dev/null; then
    alone=(unshare --net)
else
    echo "check_wheel: the network cannot be taken away here; the demo runs with it"
fi
cd "$work"
"${alone[@]}" "$work/venv/bin/twinset" demo --quiet
test -s twinset-demo/sheet.png
echo "check_wheel: the demo runs from the wheel"

code=0
"$work/venv/bin/twinset" fit twinset-demo/photos.csv --out run 2> "$work/fit.log" || code=$?
test "$code" = 2
grep -qF 'pip install "twinset[train]"' "$work/fit.log"
echo "check_wheel: without its extra, training says what to install"
