#!/bin/bash
# Kubernetes 1.30 has lifecycle.preStop.sleep, so that an image needs no `sleep` program for the pause before SIGTERM in which a Service
# forgets the pod. Of a LifecycleHandler "one and only one" of exec, httpGet, sleep (and tcpSocket) must be there; so with a probe.
# Expected of an overlay that says preStop: {sleep: {seconds: 5}}, over a base with preStop: {exec: ...}: it has the sleep; or it is refused
# by `kustomize build`, or at least by a check against the schema of the API in CI.
# Seen: kustomize 5.7.1 merges the two: preStop has exec and sleep, readinessProbe has httpGet and grpc, and the status is 0.
# kubernetes-validate 1.37.0 --strict (PyPI, the API's schema) passes it, since the schema does not know "only one". The API server is the
# first that refuses it, at the deploy. Cure: `exec: null` (or $patch: replace) beside the new handler.
# Needs go, python3 with venv. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" && mkdir base overlay cured || exit 2
{ GOBIN=$T go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1 && python3 -m venv v && v/bin/pip -q install kubernetes-validate==1.37.0; } >log 2>&1 ||
  { tail -3 log; exit 2; }
cat >base/deployment.yaml <<'Y'
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
        lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
        readinessProbe: {httpGet: {path: /ready, port: 8080}}
Y
echo 'resources: [deployment.yaml]' >base/kustomization.yaml
# overlay FOLDER HANDLER PROBE
overlay() {
  cat >"$1/kustomization.yaml" <<Y
resources: [../base]
patches:
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec: {template: {spec: {containers: [{name: web, lifecycle: {preStop: $2}, readinessProbe: $3}]}}}
Y
}
overlay overlay '{sleep: {seconds: 5}}' '{grpc: {port: 8081}}'
overlay cured '{exec: null, sleep: {seconds: 5}}' '{httpGet: null, grpc: {port: 8081}}'
kinds() { grep -oE '^ +(exec|sleep|httpGet|grpc):' "$1.yaml" | xargs; }
for o in overlay cured; do
  ./kustomize build $o >$o.yaml; echo "$o: kustomize ended with $?: $(kinds $o)"
done
v/bin/kubernetes-validate --strict overlay.yaml 2>&1 | tee verdict
[ "$(kinds overlay)" = 'exec: sleep: grpc: httpGet:' ] && [ "$(kinds cured)" = 'sleep: grpc:' ] && grep -q passed verdict
