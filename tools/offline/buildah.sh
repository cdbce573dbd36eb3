#!/usr/bin/env bash
# Debian's buildah with a storage of its own in the cache: `tools/offline/buildah.sh images`, and so on. Nothing
# else of the machine's containers is touched. Where there is no buildah: exit code 3.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/offline/building.sh


# An overlay cannot lie on an overlay, as in a container; without it each layer is a whole copy.
driver() {
  mkdir -p "$IMAGES/try"/{lower,upper,work,merged}
  if unshare --mount mount -t overlay overlay -o \
    "lowerdir=$IMAGES/try/lower,upperdir=$IMAGES/try/upper,workdir=$IMAGES/try/work" \
    "$IMAGES/try/merged" 2>/dev/null; then
    echo overlay
  else
    echo vfs
  fi
}

command -v buildah >/dev/null || cannot "there is no buildah (Debian: buildah)"
[ "$(id -u)" = 0 ] || cannot "without Docker an image is built by root alone"
mkdir -p "$IMAGES/temporary"
if [ ! -e "$IMAGES/driver" ]; then
  driver >"$IMAGES/driver.$$"
  mv "$IMAGES/driver.$$" "$IMAGES/driver"
  rm -rf "$IMAGES/try"
fi
export TMPDIR=$IMAGES/temporary
exec buildah --root "$IMAGES/storage" --runroot "$IMAGES/run" \
  --storage-driver "$(cat "$IMAGES/driver")" "$@"
