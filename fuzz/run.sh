#!/usr/bin/env bash
# Fuzzes camhook's decoders: fuzz/run.sh [MINUTES [TARGET…]], two targets at a time, ten minutes each unless told otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-10}
shift || true
targets=("$@")
if [ ${#targets[@]} = 0 ]; then mapfile -t targets < <(cd fuzz/targets && ls | sed 's/\.rs$//'); fi

# camhook has no unsafe code for a sanitizer to watch; without one twice as much is tried.
if [ -z "${BUILT:-}" ]; then
  cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
  cargo +nightly fuzz build --sanitizer none
fi
bin=${CARGO_TARGET_DIR:-fuzz/target}/$(rustc +nightly -vV | sed -n 's/^host: //p')/release
work=${WORK:-fuzz/target/work}
mkdir -p "$work" fuzz/artifacts

# The words that the decoders look for are the fuzzer's words, too.
grep -rhoE '"[A-Za-z@][A-Za-z0-9_@.:/-]{1,38}"' src/sources src/config | sort -u | awk '{ print "w" NR "=" $0 }' >"$work/words.dict"

# What a target begins with: the fixtures of its kind.
seeds() {
  case $1 in
    config) ls routes.yaml tests/fixtures/config/*/routes.yaml ;;
    jpeg | webhook | words | list | places | picture | import | mqtt | nats | answer | credentials | records | log) ls fuzz/corpus/"$1"/* ;;
    template) ls fuzz/corpus/template/* presets/*.yaml ;;
    neutral) ls presets/example-event.json fuzz/corpus/neutral/* ;;
    auto | map | multipart) ls tests/fixtures/sources/*/*/request.http ;;
    repair) ls tests/fixtures/sources/kipod/*/request.http ;;
    *) ls tests/fixtures/sources/"$1"/*/request.http ;;
  esac
}

# The least files that reach all that was reached; of more than 200, or 2 MB, some of each size.
keep() {
  local target=$1 kept=$work/$1.kept
  shift
  rm -rf "$kept" && mkdir "$kept"
  "$bin/$target" -set_cover_merge=1 -use_counters=0 -timeout=10 "$kept" "fuzz/corpus/$target" "$@" \
    >"$work/$target.merge.log" 2>&1 </dev/null || true
  rm -rf "fuzz/corpus/$target" && mkdir -p "fuzz/corpus/$target"
  find "$kept" -type f -size -100k -printf '%s %p\n' | sort -n | awk '
    { size[NR] = $1; file[NR] = $2; sum += $1 }
    END {
      step = NR / 200; if (sum / 2000000 > step) step = sum / 2000000; if (step < 1) step = 1
      for (at = 1; at <= NR; at += step) print file[int(at)]
    }' | xargs -r cp -t "fuzz/corpus/$target"
}

fuzz() {
  local target=$1 found=$work/$1
  mkdir -p "$found.seeds" "$found" "fuzz/corpus/$target"
  seeds "$target" | while read -r file; do cp "$file" "$found.seeds/${file//\//-}"; done
  ulimit -s 2048 # the stack of camhook's own threads
  echo "$target: begins"
  "$bin/$target" "$found" "fuzz/corpus/$target" "$found.seeds" -dict="$work/words.dict" -max_total_time=$((minutes * 60)) \
    -timeout=10 -rss_limit_mb=2048 -report_slow_units=1 -print_final_stats=1 -artifact_prefix="fuzz/artifacts/$target-" \
    >"$found.log" 2>&1 </dev/null || echo "$target: FOUND SOMETHING, see $found.log and fuzz/artifacts/"
  keep "$target" "$found" "$found.seeds"
  echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$found.log") inputs, slowest $(sed -n 's/^stat::slowest_unit_time_sec: *//p' "$found.log") s," \
    "$(find "fuzz/corpus/$target" -type f | wc -l) kept"
}

for target in "${targets[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "${JOBS:-2}" ]; do wait -n || true; done
  fuzz "$target" &
done
wait
if ls fuzz/artifacts/* >/dev/null 2>&1; then
  echo "found: feed a file again with its target's program, mend the decoder, and keep the file in fuzz/corpus/TARGET"
  ls fuzz/artifacts/*
  exit 1
fi
