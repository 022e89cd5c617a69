/**
 * `baton init kubernetes`: a Deployment whose pods end without losing a request. Pure.
 *
 * Two forms: baton as the main process of the container, or, for images whose entry point cannot be
 * changed, as its preStop hook. The grace period is what the waits add up to, with a reserve.
 */
import type { Config } from "../config/config.ts";
import { formatDuration } from "../config/duration.ts";
import { DEFAULT_MIN_DRAIN_MS, RESERVE_MS } from "../kubernetes/budget.ts";
import type { InitRequest } from "./template.ts";

const MS_PER_S = 1000;
const DEFAULT_PORT = 8080;
const PROBE_PORT = 9901;
/** Where the program is in the image, or in the volume that the hook is started from. */
const PROGRAM = "/usr/local/bin/baton";
const INSTALLED = "/opt/baton";

export function kubernetesEntrypoint({ config, options }: InitRequest): string {
  const { minDrainMs, graceS } = budgetOf(config);
  const given = (flag: string) => options.some((option) => option.split("=")[0] === `--${flag}`);
  const added = [
    ...(config.watch.length > 0 || given("shutdown-only") ? [] : ["--shutdown-only"]),
    ...(given("min-drain") ? [] : [`--min-drain=${formatDuration(minDrainMs)}`]),
    ...(config.watch.length > 0 || given("max-drain")
      ? []
      : [`--max-drain=${formatDuration(config.maxDrainMs)}`]),
    ...(given("grace") ? [] : [`--grace=${graceS}s`]),
    ...(given("probe-listen") ? [] : [`--probe-listen=*:${PROBE_PORT}`]),
  ];
  const probe = Number(config.probeListen?.split(":").at(-1) ?? PROBE_PORT);
  return manifest(config, graceS, [], [
    `command: ${list([PROGRAM, "run", ...options, ...added, "--"])}`,
    `args: ${list(config.command)}`,
    "ports:",
    "- {name: service, containerPort: " + `${portOf(config)}}`,
    `- {name: baton, containerPort: ${probe}}`,
    "# baton's own port: probes are not counted as traffic, and readiness fails at TERM.",
    "startupProbe: {httpGet: {path: /startupz, port: baton}, periodSeconds: 1, failureThreshold: 120}",
    "readinessProbe: {httpGet: {path: /readyz, port: baton}, periodSeconds: 2, failureThreshold: 1}",
    "livenessProbe: {httpGet: {path: /livez, port: baton}, periodSeconds: 10, failureThreshold: 3}",
  ]);
}

export function kubernetesPrestop({ config }: InitRequest): string {
  const { minDrainMs, graceS } = budgetOf(config);
  const hook = [
    ...[`${INSTALLED}/baton`, "prestop", "--port", String(portOf(config))],
    ...["--min", formatDuration(minDrainMs), "--max", formatDuration(config.maxDrainMs)],
  ];
  return manifest(config, graceS, [
    "# An image with baton in it, for its one file.",
    "initContainers:",
    "- name: baton",
    "  image: REGISTRY/baton:TAG",
    `  command: ${list([PROGRAM, "install", INSTALLED])}`,
    `  volumeMounts: [{name: baton, mountPath: ${INSTALLED}}]`,
    "volumes:",
    "- {name: baton, emptyDir: {}}",
  ], [
    "ports:",
    `- {name: service, containerPort: ${portOf(config)}}`,
    "# TERM comes when this has ended: no more traffic, or the time is over.",
    `lifecycle: {preStop: {exec: {command: ${list(hook)}}}}`,
    `volumeMounts: [{name: baton, mountPath: ${INSTALLED}, readOnly: true}]`,
  ]);
}

function budgetOf(config: Config): { minDrainMs: number; graceS: number } {
  const minDrainMs = config.minDrainMs ?? DEFAULT_MIN_DRAIN_MS;
  const longestMs = config.watch.length > 0
    ? config.drainTimeMs + config.stopTimeMs
    : config.maxDrainMs;
  const neededMs = minDrainMs + longestMs + RESERVE_MS;
  return { minDrainMs, graceS: Math.ceil((config.graceMs ?? neededMs) / MS_PER_S) };
}

function manifest(
  config: Config,
  graceS: number,
  pod: readonly string[],
  container: readonly string[],
): string {
  const name = config.name.toLowerCase().replace(/[^a-z0-9-]+/g, "-").replace(/^-+|-+$/g, "");
  const labels = `{app: ${name}}`;
  return [
    "apiVersion: apps/v1",
    "kind: Deployment",
    `metadata: {name: ${name}}`,
    "spec:",
    "  replicas: 3",
    "  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}",
    `  selector: {matchLabels: ${labels}}`,
    "  template:",
    `    metadata: {labels: ${labels}}`,
    "    spec:",
    "      # The least wait, the longest one after it, and 3 s.",
    `      terminationGracePeriodSeconds: ${graceS}`,
    ...pod.map((line) => `      ${line}`),
    "      containers:",
    `      - name: ${name}`,
    "        image: REGISTRY/IMAGE:TAG",
    ...container.map((line) => `        ${line}`),
    "",
  ].join("\n");
}

function portOf(config: Config): number {
  return config.listen[0]?.port ?? DEFAULT_PORT;
}

/** A YAML list on one line; JSON is YAML. */
function list(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(", ")}]`;
}
