#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#
# prog, the verifier's budget and the named part of e2e on Debian's Linux 6.12.
exec python3 "$(dirname "$0")/suite.py" 6.12 prog budget e2e
