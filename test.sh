#!/usr/bin/env bash
# Everything that must pass: format, lints as errors, tests. Needs nothing but Rust; what else it needs it installs.
set -euo pipefail
cd "$(dirname "$0")"

# The bundled SQLite is C, and so is ring's core.
if ! command -v cc >/dev/null; then
  echo "test.sh: installing a C compiler (apt-get install gcc libc6-dev)" >&2
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -q && $sudo apt-get install -qy gcc libc6-dev
fi

# The tests of durability set camhook's clock, and no other's.
if ! ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1; then
  echo "test.sh: installing what sets a process's clock (apt-get install libfaketime)" >&2
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -q && $sudo apt-get install -qy --no-install-recommends libfaketime
fi

# The tests of MQTT talk to a real broker.
if ! [ -x /usr/sbin/mosquitto ]; then
  echo "test.sh: installing an MQTT broker (apt-get install mosquitto)" >&2
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -q && $sudo apt-get install -qy --no-install-recommends mosquitto
fi

# So do the tests of NATS, PostgreSQL and of mail.
if ! [ -x /usr/sbin/nats-server ]; then
  echo "test.sh: installing a NATS server (apt-get install nats-server)" >&2
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -q && $sudo apt-get install -qy --no-install-recommends nats-server
fi
if ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && ! command -v postgres >/dev/null; then
  echo "test.sh: installing a database (apt-get install postgresql)" >&2
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -q && $sudo apt-get install -qy --no-install-recommends postgresql
fi
if ! /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null; then
  echo "test.sh: installing a mail server (apt-get install python3-aiosmtpd)" >&2
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -q && $sudo apt-get install -qy --no-install-recommends python3-aiosmtpd
fi

# Those of the dashboard look at it with a real browser.
if ! command -v chromedriver >/dev/null || ! command -v chromium >/dev/null; then
  echo "test.sh: installing a browser (apt-get install chromium chromium-driver)" >&2
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -q && $sudo apt-get install -qy --no-install-recommends chromium chromium-driver
fi

# And those of S3, with a store and a client from PyPI. Debian keeps its own Python as it is, so they get one beside what is
# built; it is made anew when the list of packages changes.
venv="${CARGO_TARGET_DIR:-target}/test-venv"
wanted=tests/it/harness/requirements.txt
alone=tests/it/harness/browser/requirements.txt # without what they ask for
if ! cat "$wanted" "$alone" | cmp -s - "$venv/made-of"; then
  if ! /usr/bin/python3 -c 'import ensurepip' 2>/dev/null; then
    echo "test.sh: installing Python's environments (apt-get install python3-venv)" >&2
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    $sudo apt-get update -q && $sudo apt-get install -qy --no-install-recommends python3-venv
  fi
  echo "test.sh: installing what tests use of Python into $venv (pip install moto axe-playwright-python schemathesis)" >&2
  rm -rf "$venv"
  /usr/bin/python3 -m venv "$venv"
  "$venv/bin/python3" -m pip install -q --disable-pip-version-check -r "$wanted"
  "$venv/bin/python3" -m pip install -q --disable-pip-version-check --no-deps -r "$alone"
  cat "$wanted" "$alone" > "$venv/made-of"
fi

# No debug info: half the build time and a quarter of the disk.
export CARGO_PROFILE_DEV_DEBUG="${CARGO_PROFILE_DEV_DEBUG:-line-tables-only}"

echo "== format"
cargo fmt --check
echo "== lints"
cargo clippy --locked --all-targets -- -D warnings
# Licences, banned crates and where dependencies come from; known vulnerabilities, where the database can be reached.
if cargo deny --version >/dev/null 2>&1; then
  echo "== dependencies"
  cargo deny --offline check licenses bans sources
  if [ -n "${ADVISORIES:-}" ]; then cargo deny check advisories; fi
fi
echo "== tests"
RUST_BACKTRACE="${RUST_BACKTRACE:-0}" cargo test --locked --tests -- "$@"
