#!/bin/sh
# Becomes a command that has the variables of a folder, a file each: `with.sh FOLDER COMMAND ...`.
set -eu

folder=$1
shift
for file in "$folder"/*; do
  if [ -f "$file" ]; then export "${file##*/}=$(cat "$file")"; fi
done
exec "$@"
