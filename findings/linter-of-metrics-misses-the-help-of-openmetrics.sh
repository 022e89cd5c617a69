#!/bin/bash
# Expected of `promtool check metrics`, which reads what a server exposes and complains about it: text that is valid OpenMetrics, the
# form that Prometheus itself asks for first, is checked, or refused as such.
# Seen: promtool 2.42.0 takes it for the older format, in which a counter's help belongs to another name, and so says of every counter
# "no help text" although it has one; exit 3. prometheus_client 0.23.1, the reference parser, accepts the same text.
# A check in a CI must ask for the older format by its Accept header.
# Needs Debian 12 (apt-get download), python3 with venv, and PyPI. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT; chmod 755 "$T"; cd "$T" || exit 2
apt-get -qq download prometheus=2.42.0+ds-5+deb12u1 >/dev/null 2>&1 || exit 2
dpkg -x prometheus_*.deb p || exit 2
python3 -m venv v && v/bin/pip -q install prometheus_client==0.23.1 || exit 2
printf '# HELP jobs Jobs that were done.\n# TYPE jobs counter\njobs_total 3\n# EOF\n' >text
v/bin/python -c 'from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print([(f.name, f.type, f.documentation) for f in parse(open("text").read())])' || exit 1
p/usr/bin/promtool check metrics <text >verdict 2>&1; S=$?
cat verdict; echo "exit $S"
[ $S = 3 ] && grep -q '^jobs_total no help text' verdict
