#!/usr/bin/env bash
# Checks the toolchain that a build needs; installs what is missing where that is possible, else says what to do.
set -euo pipefail

say() { printf 'setup: %s\n' "$1" >&2; }

missing=()
command -v cc >/dev/null || missing+=(gcc)
command -v c++ >/dev/null || missing+=(g++)
command -v make >/dev/null || missing+=(make)
command -v pkg-config >/dev/null || missing+=(pkg-config)
command -v python3 >/dev/null || missing+=(python3)
if [ ${#missing[@]} -gt 0 ]; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    say "installing ${missing[*]}"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
  else
    say "please install: ${missing[*]}"
    exit 1
  fi
fi

if ! command -v cargo >/dev/null; then
  say "Rust is missing: install it from https://rustup.rs, then run this again"
  exit 1
fi
need=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml" | head -n 1)
have=$(rustc --version | sed -E 's/rustc ([0-9]+\.[0-9]+).*/\1/')
if [ "$(printf '%s\n%s\n' "$need" "$have" | sort -V | head -n 1)" != "$need" ]; then
  say "Rust $need or newer is needed, this is $have: run 'rustup update stable', then this again"
  exit 1
fi
