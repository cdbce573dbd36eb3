#!/usr/bin/env bash
# The base of the images, for buildah: prints its name. The Dockerfile's own is pulled; where it cannot
# be, one is made here, of Debian and of a Python of this machine, and has a name that says so.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/offline/building.sh

BASE=$(sed -n 's/^ARG BASE=//p' Dockerfile)

there() { tools/offline/buildah.sh inspect --type image "$1" >/dev/null 2>&1; }

# The one of the Dockerfile's minor version, where there is one.
find_python() {
  local minor candidate
  minor=$(sed -E 's/.*:([0-9]+\.[0-9]+).*/\1/' <<<"$BASE")
  for candidate in ${PYTHON:-"python$minor" "$(pyenv prefix "$minor" 2>/dev/null)/bin/python3" python3}; do
    if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
      "$candidate" -c 'import sys; print(sys.base_prefix, ".".join(map(str, sys.version_info[:3])))'
      return
    fi
  done
  cannot "there is no Python here to make a base of"
}

# The packages that have the libraries of a Python that was built here.
libraries() {
  { find "$1/bin" "$1/lib" -type f \( -name '*.so*' -o -name 'python3*' \) ! -name '_tkinter*' \
    -exec ldd {} + 2>/dev/null || true; } |
    awk -v own="$1/" '$2 == "=>" && $3 ~ /^\// && index($3, own) != 1 {print $3}' | sort -u |
    while read -r library; do dpkg -S "*${library#/usr}" 2>/dev/null || true; done |
    grep -v '^diversion' | cut -d : -f 1 | sort -u | paste -s -d ,
}

# Without what others installed into it, its tests and what only a compiler reads.
copied() {
  local library
  library=lib/$(basename "$1"/lib/python3.*)
  mkdir -p "$work/python/usr/local"
  tar -C "$1" -c --exclude='__pycache__' --exclude='*.a' --exclude="$library/test" \
    --exclude="$library/site-packages/*" --exclude='*/idlelib' --exclude='*/_tkinter*' \
    bin/"$(basename "$library")" "$library" $(cd "$1" && ls -d lib/libpython3*.so* 2>/dev/null) |
    tar -C "$work/python/usr/local" -x
  ln -s "$(basename "$library")" "$work/python/usr/local/bin/python3"
  ln -s python3 "$work/python/usr/local/bin/python"
}

made() {
  local prefix version name include=ca-certificates,netbase,tzdata sources
  local -a hooks=()
  command -v mmdebstrap >/dev/null || cannot "there is no mmdebstrap to make a base with (Debian: mmdebstrap)"
  sources=$(apt-get indextargets 'Created-By: Packages' 'Origin: Debian' --format 'deb $(SITE) $(RELEASE) $(COMPONENT)')
  [ -n "$sources" ] || cannot "no base can be made: this is not Debian, or apt-get update has not run"
  read -r prefix version <<<"$(find_python)"
  name=localhost/made-here/python:$version-slim-$(awk 'NR == 1 {print $3}' <<<"$sources")
  if ! there "$name"; then
    say "$BASE cannot be pulled: making one with the Python $version that is here (half a minute, the first time)"
    if [ "$prefix" = /usr ]; then
      include+=,python3-venv
    else
      include+=,$(libraries "$prefix")
      copied "$prefix"
      hooks=(--customize-hook="copy-in $work/python/usr /"
        --customize-hook='chroot "$1" sh -c "ldconfig && python3 -m ensurepip --default-pip"')
    fi
    mmdebstrap --quiet --mode=root --variant=minbase --include="$include" "${hooks[@]}" \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
      "$(awk 'NR == 1 {print $3}' <<<"$sources")" "$work/base.tar" - <<<"$sources" >"$work/log" 2>&1 ||
      cannot "mmdebstrap: $(last_line "$work/log")"
    printf 'FROM scratch\nADD base.tar /\nENV PATH=%s LANG=C.UTF-8\nCMD ["python3"]\n' \
      /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin >"$work/Dockerfile"
    tools/offline/buildah.sh bud --quiet --isolation chroot --tag "$name" "$work" >"$work/log" 2>&1 ||
      cannot "buildah: $(last_line "$work/log")"
  fi
  echo "$name"
}

open_cache "$IMAGES" base
if there "$BASE" || tools/offline/buildah.sh pull --quiet "$BASE" >"$work/log" 2>&1; then
  echo "$BASE"
else
  made
fi
