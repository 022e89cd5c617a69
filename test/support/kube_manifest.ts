/**
 * Is a manifest one that a cluster takes, and that does what baton promises? Fields and types by kube_schema.ts; here
 * what goes across them: names that must be the same or differ, ports that probes and hooks ask, and the arithmetic of
 * the grace period, with what the commands in the manifest itself mean to baton.
 */
import { longestStopMs } from "../../src/config/config.ts";
import { parseCommandLine } from "../../src/cli/words/parse.ts";
import type { FileValues } from "../../src/config/file_values.ts";
import { budgetOf, DEFAULT_MIN_DRAIN_MS } from "../../src/pod/budget.ts";
import { schemaFaults } from "./kube_schema.ts";
import { parseYaml } from "./yaml.ts";

interface HttpGet {
  readonly path: string;
  readonly port: number | string;
}

interface Container {
  readonly name: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly lifecycle?: {
    readonly preStop?: {
      readonly exec?: { readonly command: string[] };
      readonly httpGet?: HttpGet;
    };
  };
  readonly volumeMounts?: readonly { readonly name: string }[];
  readonly startupProbe?: { readonly httpGet: HttpGet };
  readonly readinessProbe?: { readonly httpGet: HttpGet };
  readonly livenessProbe?: { readonly httpGet: HttpGet };
}

interface Deployment {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly containers: readonly Container[];
        readonly initContainers?: readonly Container[];
        readonly terminationGracePeriodSeconds?: number;
        readonly volumes?: readonly { readonly name: string }[];
      };
    };
  };
}

const MS_PER_S = 1000;

type ConfigReader = (path: string) => FileValues;

/**
 * @param readConfig what is in the image
 * @returns what is wrong, or an empty list; everything that cannot be read is one fault
 */
export function manifestFaults(
  text: string,
  readConfig: ConfigReader = (path) => {
    throw new Error(`The manifest reads ${path}`);
  },
): string[] {
  try {
    const value = parseYaml(text);
    const faults = schemaFaults(value);
    return faults.length > 0 ? faults : faultsAcross(value as unknown as Deployment, readConfig);
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

function faultsAcross(
  { spec: { selector, template } }: Deployment,
  readConfig: ConfigReader,
): string[] {
  const { containers, initContainers = [], volumes = [], ...pod } = template.spec;
  const all = [...initContainers, ...containers];
  const labels = template.metadata.labels;
  const ports = all.flatMap((container) => container.ports ?? []);
  const lost = all.flatMap((container) => container.volumeMounts ?? [])
    .filter(({ name }) => !volumes.some((volume) => volume.name === name));
  return [
    ...Object.entries(selector.matchLabels).filter(([key, value]) => labels[key] !== value)
      .map(([key]) => `selector: the pods have no such label ${key}`),
    ...twice(all.map(({ name }) => name)).map((name) => `two containers are named ${name}`),
    ...twice(ports.map(({ containerPort }) => containerPort)).map((port) =>
      `two ports are ${port}`
    ),
    ...twice(volumes.map(({ name }) => name)).map((name) => `two volumes are named ${name}`),
    ...lost.map(({ name }) => `there is no volume ${name}`),
    ...all.flatMap((container) => portFaults(container, all, readConfig)),
    ...graceFaults(all, pod.terminationGracePeriodSeconds, readConfig),
  ];
}

function twice<T>(values: readonly T[]): T[] {
  return values.filter((value, index) => values.indexOf(value) !== index);
}

/** Who is asked must be the baton that listens there, and know the path. */
function portFaults(
  container: Container,
  all: readonly Container[],
  readConfig: ConfigReader,
): string[] {
  const { startupProbe, readinessProbe, livenessProbe, lifecycle, ports = [] } = container;
  const asked: [string, HttpGet | undefined, string][] = [
    ["startupProbe", startupProbe?.httpGet, "/startupz"],
    ["readinessProbe", readinessProbe?.httpGet, "/readyz"],
    ["livenessProbe", livenessProbe?.httpGet, "/livez"],
    ["preStop", lifecycle?.preStop?.httpGet, "/prestop"],
  ];
  return asked.flatMap(([what, question, path]) => {
    if (question === undefined) return [];
    const { port } = question;
    // A name is looked for in the same container, the server's or not.
    const found = typeof port === "number"
      ? port
      : ports.find(({ name }) => name === port)?.containerPort;
    const where = `${container.name}.${what}`;
    if (found === undefined) return [`${where}: the container has no port named ${port}`];
    const answers = all.filter((each) =>
      each.ports?.some(({ containerPort }) => containerPort === found)
    );
    return [
      ...(question.path === path ? [] : [`${where}: asks ${question.path}, not ${path}`]),
      ...(answers.some((each) => ownPort(each, what, readConfig) === found)
        ? []
        : [`${where}: no baton answers at ${found}`]),
    ];
  });
}

/** The port at which the baton of a container answers that question. */
function ownPort(container: Container, what: string, readConfig: ConfigReader): number | null {
  const command = commandOf(container, readConfig);
  if (command?.verb === "prestop") return command.serve?.port ?? null;
  if (command?.verb !== "run" || what === "preStop") return null;
  return command.config.probeListen?.port ?? 0;
}

/** What a container's words mean to baton; null: another program. */
function commandOf({ command = [], args = [] }: Container, readConfig: ConfigReader) {
  const [program = "", ...words] = [...command, ...args];
  if (!program.endsWith("/baton")) return null;
  return parseCommandLine(words, readConfig);
}

function graceFaults(
  all: readonly Container[],
  graceS: number | undefined,
  readConfig: ConfigReader,
): string[] {
  if (graceS === undefined) return ["terminationGracePeriodSeconds: is missing"];
  const hooks = all.flatMap(({ name, lifecycle }) => {
    const words = lifecycle?.preStop?.exec?.command;
    return words === undefined ? [] : [{ name, command: words }];
  });
  const waits = [...all, ...hooks].flatMap((container) => {
    const command = commandOf(container, readConfig);
    if (command?.verb === "prestop") return [[command.minMs, command.maxMs, null] as const];
    if (command?.verb !== "run") return [];
    const { minDrainMs, maxDrainMs, shutdownOnly, graceMs } = command.config;
    const longestMs = shutdownOnly ? maxDrainMs : longestStopMs(command.config);
    return [[minDrainMs ?? DEFAULT_MIN_DRAIN_MS, longestMs, graceMs] as const];
  });
  if (waits.length !== 1) {
    return [`${waits.length} batons wait for the end of the traffic, not one`];
  }
  const [minDrainMs, maxDrainMs, saidMs] = waits[0]!;
  const graceMs = graceS * MS_PER_S;
  const budget = budgetOf({ minDrainMs, maxDrainMs, graceMs, inPod: true });
  return [
    ...(budget.fits ? [] : [`terminationGracePeriodSeconds: too short: ${budget.text}`]),
    ...(saidMs === null || saidMs <= graceMs ? [] : [`--grace is ${saidMs} ms of ${graceS} s`]),
  ];
}
