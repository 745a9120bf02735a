#!/bin/sh
# Installs Debian or Ubuntu packages where that is allowed, else says which ones are missing.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null && exit 0
fi
echo "Please install these packages with your system's package manager, then run make again: $*" >&2
exit 1
