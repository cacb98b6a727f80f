#!/usr/bin/env bash
# The protocol of lock, journal, redelivery and commit, searched exhaustively. TAP on standard output.
exec "$(dirname "${BASH_SOURCE[0]}")/../model/run"
