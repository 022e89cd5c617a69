#!/bin/bash
# Expected of a server whose package has a unit with `ExecReload=/bin/kill -HUP $MAINPID`: HUP makes it read something again, or does nothing.
# Seen: pushgateway 1.5.1 of Debian 12 has that unit and no handler of HUP: `systemctl reload` ends it, status 129, before it has written what
# was pushed to it to its --persistence.file, which TERM makes it do. Restart=on-failure starts it again, empty: the metrics are lost.
# So a unit's ExecReload is no proof that a server survives HUP. baton never forwards HUP: its own reload starts the next generation, and
# ends this one with TERM.
# Needs Debian 12 (apt-get download), python3, curl. Exit 0: it is as described.
set -u
T=$(mktemp -d); P=
trap 'kill -KILL $P 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T" || exit 2
apt-get -qq download prometheus-pushgateway=1.5.1-2+b5 >/dev/null 2>&1 || exit 2
dpkg -x prometheus-pushgateway_*.deb p || exit 2
grep ExecReload p/lib/systemd/system/prometheus-pushgateway.service
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# ended_by SIGNAL: pushes one metric, sends the signal, and says how it ended and what it kept.
ended_by() {
  local at; at=127.0.0.1:$(port)
  p/usr/bin/prometheus-pushgateway --web.listen-address="$at" --persistence.file="$T/kept-$1" --persistence.interval=1h 2>"log-$1" & P=$!
  for _ in $(seq 100); do echo 'jobs_total 3' | curl -sf --data-binary @- "http://$at/metrics/job/x" && break; sleep 0.1; done
  kill "-$1" "$P"; wait "$P" 2>/dev/null; local status=$?
  echo "$1: status $status, $([ -s "kept-$1" ] && echo kept || echo lost)" | tee -a out
}
ended_by TERM
ended_by HUP
[ "$(cat out)" = "TERM: status 0, kept
HUP: status 129, lost" ]
