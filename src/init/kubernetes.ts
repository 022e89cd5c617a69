/**
 * `baton init kubernetes`: a Deployment whose pods stop without losing a request. Pure.
 *
 * Three forms: baton as the main process of the container, or, for images whose entry point must not change, as its
 * preStop hook, or as a sidecar that the hook calls. The grace period is the sum of the waits and a reserve; a shorter
 * one is refused, as by `run`.
 */
import { type Config, longestStopMs } from "../config/config.ts";
import { formatDuration } from "../config/values/duration.ts";
import {
  DEFAULT_MAX_DRAIN_MS,
  DEFAULT_QUIET_MS,
  SHUTDOWN_QUIET_MS,
} from "../config/tables/stop_options.ts";
import { UserError } from "../config/values/errors.ts";
import { handoffOption } from "../config/validate.ts";
import { budgetOf, DEFAULT_MIN_DRAIN_MS, RESERVE_MS } from "../pod/budget.ts";
import { type InitRequest, plainName, wordList } from "./template.ts";

const MS_PER_S = 1000;
const DEFAULT_PORT = 8080;
const PROBE_PORT = 9901;
/** The path of the program in the image, and of the volume for the hook. */
const PROGRAM = "/usr/local/bin/baton";
const INSTALLED = "/opt/baton";
/** What the standard `restricted` of pods asks of a container. */
const RESTRICTED = "securityContext: {runAsNonRoot: true, allowPrivilegeEscalation: false, " +
  "capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}";
/** The name of the container, whatever the name of the service. */
const SERVER = "server";

export function kubernetesEntrypoint({ config, options }: InitRequest): string {
  const isFull = handoffOption(config) !== null;
  const longestMs = isFull ? longestStopMs(config) : config.maxDrainMs;
  const { minDrainMs, graceS } = waits(config, longestMs);
  // The configuration may come from flags, or from the file of --config, which added flags would override.
  const { minDrainMs: ownMinDrainMs, maxDrainMs, graceMs, probeListen } = config;
  const isMaxOwn = maxDrainMs !== DEFAULT_MAX_DRAIN_MS || isGiven(options, "max-drain");
  const added = [
    ...(isFull || config.shutdownOnly ? [] : ["--shutdown-only"]),
    ...(ownMinDrainMs === null ? [`--min-drain=${formatDuration(minDrainMs)}`] : []),
    ...(isFull || isMaxOwn ? [] : [`--max-drain=${formatDuration(maxDrainMs)}`]),
    ...(graceMs === null ? [`--grace=${graceS}s`] : []),
    ...(probeListen === null ? [`--probe-listen=*:${PROBE_PORT}`] : []),
  ];
  const probe = probeListen?.port ?? PROBE_PORT;
  return manifest(config, graceS, [], [
    ...(isGiven(options, "config") ? ["# --config names a file in the image: put it there."] : []),
    `command: ${wordList([PROGRAM, "run", ...options, ...added, "--"])}`,
    `args: ${wordList(config.command)}`,
    "# baton runs under the restricted Pod Security Standard, too; whether the image does is its own affair:",
    `# ${RESTRICTED}`,
    "ports:",
    `- {name: service, containerPort: ${portOf(config)}}`,
    `- {name: baton, containerPort: ${probe}}`,
    "# baton's own port: probes do not count as traffic, and readiness fails at TERM.",
    "startupProbe: {httpGet: {path: /startupz, port: baton}, periodSeconds: 1, failureThreshold: 120}",
    "readinessProbe: {httpGet: {path: /readyz, port: baton}, periodSeconds: 2, failureThreshold: 1}",
    "livenessProbe: {httpGet: {path: /livez, port: baton}, periodSeconds: 10, failureThreshold: 3}",
  ]);
}

export function kubernetesPrestop({ config, options }: InitRequest): string {
  const { minDrainMs, graceS } = waits(config, config.maxDrainMs);
  const hook = [`${INSTALLED}/baton`, ...prestop(config, options, minDrainMs)];
  return manifest(config, graceS, [
    "# An image that contains baton, to copy that one file.",
    "initContainers:",
    "- name: baton",
    "  image: REGISTRY/baton:TAG",
    `  command: ${wordList([PROGRAM, "install", INSTALLED])}`,
    `  volumeMounts: [{name: baton, mountPath: ${INSTALLED}}]`,
    "volumes:",
    "- {name: baton, emptyDir: {}}",
  ], [
    "ports:",
    `- {name: service, containerPort: ${portOf(config)}}`,
    "# TERM follows when this has exited: no more traffic, or the time is over.",
    `lifecycle: {preStop: {exec: {command: ${wordList(hook)}}}}`,
    `volumeMounts: [{name: baton, mountPath: ${INSTALLED}, readOnly: true}]`,
  ]);
}

export function kubernetesSidecar({ config, options }: InitRequest): string {
  const { minDrainMs, graceS } = waits(config, config.maxDrainMs);
  const command = [PROGRAM, ...prestop(config, options, minDrainMs), "--serve", `*:${PROBE_PORT}`];
  return manifest(config, graceS, [
    "# Shows baton which process has each keep-alive connection. Without it the server must close them.",
    "shareProcessNamespace: true",
    "initContainers:",
    "# A sidecar, which starts first and stops last: Kubernetes 1.29 or later.",
    "- name: baton",
    "  image: REGISTRY/baton:TAG",
    "  restartPolicy: Always",
    `  command: ${wordList(command)}`,
    "  ports:",
    `  - {name: baton, containerPort: ${PROBE_PORT}}`,
    "  startupProbe: {httpGet: {path: /startupz, port: baton}, periodSeconds: 1, failureThreshold: 60}",
    "  # Ready when the server listens: probes of the server itself would count as traffic.",
    "  readinessProbe: {httpGet: {path: /readyz, port: baton}, periodSeconds: 2, failureThreshold: 1}",
    "  livenessProbe: {httpGet: {path: /livez, port: baton}, periodSeconds: 10, failureThreshold: 3}",
  ], [
    "ports:",
    `- {name: service, containerPort: ${portOf(config)}}`,
    "# The sidecar answers when there is no more traffic, or the time is over; then TERM follows. A number:",
    "# the name of a port would be resolved in this container.",
    `lifecycle: {preStop: {httpGet: {path: /prestop, port: ${PROBE_PORT}}}}`,
  ]);
}

/** The words of `baton prestop`. */
function prestop(config: Config, options: readonly string[], minDrainMs: number): string[] {
  const isQuietGiven = isGiven(options, "quiet") ||
    ![DEFAULT_QUIET_MS, SHUTDOWN_QUIET_MS].includes(config.quietMs);
  return [
    "prestop",
    "--port",
    String(portOf(config)),
    "--min",
    formatDuration(minDrainMs),
    "--max",
    formatDuration(config.maxDrainMs),
    ...(isQuietGiven ? ["--quiet", formatDuration(config.quietMs)] : []),
  ];
}

function isGiven(options: readonly string[], flag: string): boolean {
  return options.some((option) => option.split("=")[0] === `--${flag}`);
}

/** @throws {UserError} when the waits exceed --grace */
function waits(config: Config, longestMs: number): { minDrainMs: number; graceS: number } {
  const minDrainMs = config.minDrainMs ?? DEFAULT_MIN_DRAIN_MS;
  const { graceMs } = config;
  const budget = budgetOf({ minDrainMs, maxDrainMs: longestMs, graceMs, inPod: true });
  if (graceMs !== null && !budget.fits) {
    throw new UserError(`Cannot stop within --grace: ${budget.text}`, {
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
    "      # The shortest wait, the longest one after it, and 3 s.",
    `      terminationGracePeriodSeconds: ${graceS}`,
    ...pod.map((line) => `      ${line}`),
    "      containers:",
    `      - name: ${SERVER}`,
    "        image: REGISTRY/IMAGE:TAG",
    ...container.map((line) => `        ${line}`),
    "",
  ].join("\n");
}

/** A valid name for Kubernetes, quoted where YAML would not read a string: true, 12, 1e3. */
function nameOf({ name }: Config): string {
  const plain = plainName(name);
  const isWord = /^[a-z][a-z0-9-]*$/.test(plain) && !YAML_WORDS.test(plain);
  return isWord ? plain : JSON.stringify(plain || SERVER);
}

const YAML_WORDS = /^(?:true|false|null|yes|no|on|off|y|n)$/;

function portOf(config: Config): number {
  return config.listen.find((spec) => spec.family !== "unix")?.port ?? DEFAULT_PORT;
}
