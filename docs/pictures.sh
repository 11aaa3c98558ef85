#!/usr/bin/env bash
# Draws the pictures of docs/dashboard.md anew: the dashboard of a camhook with much to see, in a real browser.
# usage: docs/pictures.sh (after test.sh has installed what the tests need)
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v pngquant >/dev/null; then
  echo "pictures.sh: installing what makes pictures small (apt-get install pngquant)" >&2
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -q && $sudo apt-get install -qy --no-install-recommends pngquant
fi

drawn=$(mktemp -d)
trap 'rm -rf "$drawn"' EXIT
CAMHOOK_SCREENSHOTS="$drawn" cargo test --locked --test it -- --exact \
  dashboard::manners::every_page_is_fit_for_everybody \
  dashboard::config::the_page_of_the_config_tells_what_a_load_would_do

mkdir -p docs/pictures
# What the page shows, as far as there is such a page.
for name in $(grep -o 'pictures/[a-z-]*\.png' docs/dashboard.md | sed 's/.*\///' | sort -u); do
  [ -f "$drawn/$name" ] || { echo "pictures.sh: nothing draws $name" >&2; exit 1; }
  pngquant --force --strip --speed 1 --output "docs/pictures/$name" 128 "$drawn/$name"
done
