#!/bin/sh
# Starts `faultline` in the image. Compiled kernels are read from NUMBA_CACHE_DIR, and numba refuses a folder that it
# cannot write to: on a read-only file system it gets a copy in the temporary folder.
set -eu
if [ -d "${NUMBA_CACHE_DIR:-}" ] && [ ! -w "$NUMBA_CACHE_DIR" ]; then
    copy="${TMPDIR:-/tmp}/faultline-kernels"
    [ -d "$copy" ] || cp -r "$NUMBA_CACHE_DIR" "$copy"
    export NUMBA_CACHE_DIR="$copy"
fi
exec faultline "$@"
