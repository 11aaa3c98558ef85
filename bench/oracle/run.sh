#!/usr/bin/env bash
# Kills camhook again and again, and proves that nothing acknowledged is lost: bench/oracle/run.sh [--kills 500] [--minutes M] [--seed N]
# PROFILE=debug takes the debug build.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
if ! ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1; then
  echo "run.sh: installing what sets its clock (apt-get install libfaketime)" >&2
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -q && $sudo apt-get install -qy --no-install-recommends libfaketime
fi
profile=${PROFILE:-release}
flag=$([ "$profile" = release ] && echo --release || true)
target=${CARGO_TARGET_DIR:-target}
cargo build --locked --quiet $flag
cargo build --locked --quiet --manifest-path "$here/Cargo.toml" --target-dir "$target/oracle"
exec "$target/oracle/debug/camhook-oracle" --camhook "$target/$profile/camhook" "$@"
