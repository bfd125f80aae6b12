#!/bin/bash
# kernels.sh [-d DIR] [SERIES ...]
#
# Unpack Debian kernels of several series side by side, without installing them:
#   DIR/SERIES/vmlinuz and DIR/SERIES/lib/modules/VERSION (default DIR: target/kernels)
# SERIES is any of 5.10 6.1 6.12 7.2 (default: all). Each comes from the Debian suite that
# carries it, through apt and the mirror this machine already uses. Run as root.
# A series already unpacked is left alone. Prints "SERIES VERSION" for each.
set -eu
DIR=target/kernels
while getopts d: o; do case $o in d) DIR=$OPTARG;; *) sed -n '2,8p' "$0"; exit 2;; esac; done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- 5.10 6.1 6.12 7.2
suite() { case $1 in 5.10) echo bullseye;; 6.1) echo bookworm;; 6.12) echo bookworm-backports;; 7.2) echo sid;; *) echo "kernels.sh: unknown series $1" >&2; exit 2;; esac; }
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -1)
[ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list | head -1)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
for series in "$@"; do
  s=$(suite "$series"); out=$DIR/$series
  if [ ! -e "$out/vmlinuz" ]; then
    mkdir -p "$work/$s/lists/partial" "$work/$s/cache/archives/partial" "$work/$s/x" "$out"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $s main" > "$work/$s/list"
    apt=(-qq -o "Dir::Etc::sourcelist=$work/$s/list" -o Dir::Etc::sourceparts=/dev/null
         -o "Dir::State::lists=$work/$s/lists" -o "Dir::Cache=$work/$s/cache" -o Dir::State::status=/dev/null
         -o APT::Sandbox::User=root)
    apt-get "${apt[@]}" update >&2
    image=$(apt-cache "${apt[@]}" depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
    v=${image#linux-image-}; pk=("$image")
    for p in linux-binary-$v linux-modules-$v; do   # since 7.x the image package only depends on these
      apt-cache "${apt[@]}" show "$p" >/dev/null 2>&1 && pk+=("$p")
    done
    (cd "$work/$s/cache" && apt-get "${apt[@]}" download "${pk[@]}" >&2)
    for d in "$work/$s/cache"/*.deb; do dpkg -x "$d" "$work/$s/x"; done
    mkdir -p "$out/lib/modules"
    for m in "$work/$s/x"/lib/modules/* "$work/$s/x"/usr/lib/modules/*; do [ -d "$m" ] && cp -a "$m" "$out/lib/modules/"; done
    depmod -b "$out" "$v" 2>/dev/null || true
    img=$(find "$work/$s/x" -name 'vmlinuz*' -type f | head -1); cp "$img" "$out/vmlinuz.part"; mv "$out/vmlinuz.part" "$out/vmlinuz"
    rm -rf "${work:?}/$s"
  fi
  echo "$series $(ls "$out/lib/modules")"
done
