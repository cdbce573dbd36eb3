#!/bin/sh
# Writes variables for other containers, a file each: `write.sh FOLDER/NAME=VALUE ...`.
# A value that ends in `random` is made once, of 32 bytes of the kernel's, and kept; `@FILE` is what
# that file holds.
set -eu
umask 022

for said; do
  file=${said%%=*} value=${said#*=}
  case $value in
    *random)
      if [ -s "$file" ]; then continue; fi
      value=${value%random}$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
      ;;
    @*) value=$(cat "${value#@}") ;;
  esac
  unfinished=${file%/*}/.${file##*/}
  printf '%s' "$value" >"$unfinished"
  mv "$unfinished" "$file"
done
