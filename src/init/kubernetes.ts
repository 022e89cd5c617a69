/**
 * `baton init kubernetes`: a Deployment whose pods end without losing a request. Pure.
 *
 * Three forms: baton as the main process of the container, or, for images whose entry point cannot be
 * changed, as its preStop hook, or as a sidecar that the hook asks. The grace period is what the waits
 * add up to, with a reserve; one that is too short is refused, as `run` would.
 */
import { longestStopMs } from "../config/config.ts";
import type { Config } from "../config/config.ts";
import { formatDuration } from "../config/values/duration.ts";
import { DEFAULT_MAX_DRAIN_MS, DEFAULT_QUIET_MS, SHUTDOWN_QUIET_MS } from "../config/options.ts";
import { UserError } from "../config/values/errors.ts";
import { handoffOption } from "../config/validate.ts";
import { budgetOf, DEFAULT_MIN_DRAIN_MS, RESERVE_MS } from "../pod/budget.ts";
import type { InitRequest } from "./template.ts";

const MS_PER_S = 1000;
const DEFAULT_PORT = 8080;
const PROBE_PORT = 9901;
/** Where the program is in the image, or in the volume that the hook is started from. */
const PROGRAM = "/usr/local/bin/baton";
const INSTALLED = "/opt/baton";
/** Names of containers, which are never the service's: that may be any. */
const SERVER = "server";
const BATON = "baton";

export function kubernetesEntrypoint({ config, options }: InitRequest): string {
  const isFull = handoffOption(config) !== null;
  const longestMs = isFull ? longestStopMs(config) : config.maxDrainMs;
  const { minDrainMs, graceS } = waits(config, longestMs);
  // By flags or in the file of --config, which flags would override.
  const { minDrainMs: ownMinDrainMs, maxDrainMs, graceMs, probeListen } = config;
  const isMaxOwn = maxDrainMs !== DEFAULT_MAX_DRAIN_MS || isGiven(options, "max-drain");
  const added = [
    ...(isFull || config.shutdownOnly ? [] : ["--shutdown-only"]),
    ...(ownMinDrainMs === null ? [`--min-drain=${formatDuration(minDrainMs)}`] : []),
    ...(isFull || isMaxOwn ? [] : [`--max-drain=${formatDuration(maxDrainMs)}`]),
    ...(graceMs === null ? [`--grace=${graceS}s`] : []),
    ...(probeListen === null ? [`--probe-listen=*:${PROBE_PORT}`] : []),
  ];
  const probe = Number(probeListen?.split(":").at(-1) ?? PROBE_PORT);
  return manifest(config, graceS, [], [
    ...(isGiven(options, "config") ? ["# --config is a file of the image: put it there."] : []),
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

export function kubernetesPrestop({ config, options }: InitRequest): string {
  const { minDrainMs, graceS } = waits(config, config.maxDrainMs);
  const hook = [`${INSTALLED}/baton`, ...prestop(config, options, minDrainMs)];
  return manifest(config, graceS, [
    "# An image with baton in it, for its one file.",
    "initContainers:",
    `- name: ${BATON}`,
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

export function kubernetesSidecar({ config, options }: InitRequest): string {
  const { minDrainMs, graceS } = waits(config, config.maxDrainMs);
  const command = [PROGRAM, ...prestop(config, options, minDrainMs), "--serve", `*:${PROBE_PORT}`];
  return manifest(config, graceS, [
    "# So that baton sees who has the connections that clients keep. Without it the server has to end them.",
    "shareProcessNamespace: true",
    "initContainers:",
    "# A sidecar, which starts first and ends last: Kubernetes 1.29 or later.",
    `- name: ${BATON}`,
    "  image: REGISTRY/baton:TAG",
    "  restartPolicy: Always",
    `  command: ${list(command)}`,
    "  ports:",
    `  - {name: baton, containerPort: ${PROBE_PORT}}`,
    "  startupProbe: {httpGet: {path: /startupz, port: baton}, periodSeconds: 1, failureThreshold: 60}",
    "  # The pod is ready when the server listens, too: its own probes would be counted as traffic.",
    "  readinessProbe: {httpGet: {path: /readyz, port: baton}, periodSeconds: 2, failureThreshold: 1}",
    "  livenessProbe: {httpGet: {path: /livez, port: baton}, periodSeconds: 10, failureThreshold: 3}",
  ], [
    "ports:",
    `- {name: service, containerPort: ${portOf(config)}}`,
    "# The sidecar answers when there is no more traffic, or the time is over; then TERM comes. A number:",
    "# the name of a port would be looked for in this container.",
    `lifecycle: {preStop: {httpGet: {path: /prestop, port: ${PROBE_PORT}}}}`,
  ]);
}

/** The words of `baton prestop`. */
function prestop(config: Config, options: readonly string[], minDrainMs: number): string[] {
  const isQuietGiven = isGiven(options, "quiet") ||
    ![DEFAULT_QUIET_MS, SHUTDOWN_QUIET_MS].includes(config.quietMs);
  return [
    ...["prestop", "--port", String(portOf(config))],
    ...["--min", formatDuration(minDrainMs), "--max", formatDuration(config.maxDrainMs)],
    ...(isQuietGiven ? ["--quiet", formatDuration(config.quietMs)] : []),
  ];
}

function isGiven(options: readonly string[], flag: string): boolean {
  return options.some((option) => option.split("=")[0] === `--${flag}`);
}

/** @throws {UserError} when they do not fit into --grace */
function waits(config: Config, longestMs: number): { minDrainMs: number; graceS: number } {
  const minDrainMs = config.minDrainMs ?? DEFAULT_MIN_DRAIN_MS;
  const { graceMs } = config;
  const budget = budgetOf({ minDrainMs, maxDrainMs: longestMs, graceMs, inPod: true });
  if (graceMs !== null && !budget.fits) {
    throw new UserError(`Cannot end within --grace: ${budget.text}`, {
      remedy: "Raise --grace, or lower --min-drain and what follows it",
    });
  }
  return { minDrainMs, graceS: Math.ceil((graceMs ?? budget.neededMs + RESERVE_MS) / MS_PER_S) };
}

function manifest(
  config: Config,
  graceS: number,
  pod: readonly string[],
  container: readonly string[],
): string {
  const name = nameOf(config);
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
    `      - name: ${SERVER}`,
    "        image: REGISTRY/IMAGE:TAG",
    ...container.map((line) => `        ${line}`),
    "",
  ].join("\n");
}

/** A name that Kubernetes takes, quoted where YAML would read something else: true, 12, 1e3. */
function nameOf({ name }: Config): string {
  const plain = name.toLowerCase().replace(/[^a-z0-9-]+/g, "-").replace(/^-+|-+$/g, "");
  const isWord = /^[a-z][a-z0-9-]*$/.test(plain) && !YAML_WORDS.test(plain);
  return isWord ? plain : JSON.stringify(plain || SERVER);
}

const YAML_WORDS = /^(?:true|false|null|yes|no|on|off|y|n)$/;

function portOf(config: Config): number {
  return config.listen[0]?.port ?? DEFAULT_PORT;
}

/** A YAML list on one line; JSON is YAML. */
function list(words: readonly string[]): string {
  return `[${words.map((word) => JSON.stringify(word)).join(", ")}]`;
}
