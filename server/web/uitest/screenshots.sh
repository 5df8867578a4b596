#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Takes the screenshots of docs/img: each screen of the inspector, light and dark. It needs what the tests in this folder need,
# makes the pictures small if pngquant is there, and uses the fonts that fonts.conf names if they are.
set -euo pipefail
cd "$(dirname "$0")"
[ -d node_modules ] || npm ci --silent --no-audit --no-fund
to=$(cd ../../.. && pwd)/docs/img
mkdir -p "$to"
FONTCONFIG_FILE=$PWD/fonts.conf SCREENSHOTS=$to go test -count=1 -run '^TestScreenshots$' .
if command -v pngquant >/dev/null; then pngquant --force --ext .png --quality 70-95 "$to"/*.png; fi
