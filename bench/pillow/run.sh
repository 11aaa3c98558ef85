#!/usr/bin/env bash
# Cuts plates out of JPEGs by camhook and by Pillow, in turns, and prints medians and ratios: bench/pillow/run.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")"
rounds=${1:-5}
work=${WORK:-target/work}
mkdir -p "$work/pictures" "$work/pixels"
[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -c 'import PIL' 2>/dev/null || "$work/venv/bin/pip" install --quiet pillow
cargo build --quiet --release
"$python" pictures.py "$work/pictures"
"$python" -c 'from PIL import features; print("Pillow", features.version("pil"), "with libjpeg-turbo", features.version("libjpeg_turbo"))'
ls -l "$work/pictures" | awk 'NR > 1 { print $5, $9 }'
: >"$work/lines"
for _ in $(seq "$rounds"); do
  "${CARGO_TARGET_DIR:-target}/release/camhook-bench-pillow" "$work/pictures" "$work/pixels" >>"$work/lines"
  "$python" cut.py "$work/pictures" >>"$work/lines"
done
"$python" sum.py "$work/pictures" "$work/pixels" <"$work/lines"
