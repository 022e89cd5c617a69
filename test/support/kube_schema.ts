/**
 * The part of the Kubernetes API that `baton init` prints, as a table, from the API reference (apps/v1 Deployment,
 * core/v1 PodSpec, Container, Probe, Lifecycle; v1.29). What is not in the table is a fault: fields that we do not
 * print yet are added here with their types, not allowed in passing.
 */
import type { Yaml } from "./yaml.ts";

type Scalar = "string" | "integer" | "boolean" | "port" | "portNumber" | "name" | "portName";
/** Values of an enumeration. */
type Choice = { readonly oneOf: readonly string[] };
type List = { readonly listOf: Type };
/** Any keys, all values of one type. */
type Dictionary = { readonly valuesOf: Type };
type Type = Scalar | Choice | List | Dictionary | { readonly object: keyof typeof OBJECTS };

interface ObjectType {
  readonly required?: Readonly<Record<string, Type>>;
  readonly optional?: Readonly<Record<string, Type>>;
  /** Exactly one of the optional ones. */
  readonly exactlyOne?: readonly string[];
}

const listOf = (type: Type): Type => ({ listOf: type });
const object = (name: string): Type => ({ object: name as keyof typeof OBJECTS });
const STRINGS = listOf("string");
const LABELS: Type = { valuesOf: "name" };

const CONTAINER: Readonly<Record<string, Type>> = {
  image: "string",
  command: STRINGS,
  args: STRINGS,
  ports: listOf(object("ContainerPort")),
  startupProbe: object("Probe"),
  readinessProbe: object("Probe"),
  livenessProbe: object("Probe"),
  lifecycle: object("Lifecycle"),
  volumeMounts: listOf(object("VolumeMount")),
};

const HANDLERS = ["exec", "httpGet"];
const HANDLER: Readonly<Record<string, Type>> = {
  exec: object("ExecAction"),
  httpGet: object("HTTPGetAction"),
};

const OBJECTS: Readonly<Record<string, ObjectType>> = {
  Deployment: {
    required: {
      apiVersion: { oneOf: ["apps/v1"] },
      kind: { oneOf: ["Deployment"] },
      metadata: object("ObjectMeta"),
      spec: object("DeploymentSpec"),
    },
  },
  ObjectMeta: { required: { name: "name" }, optional: { labels: LABELS } },
  DeploymentSpec: {
    required: { selector: object("LabelSelector"), template: object("PodTemplateSpec") },
    optional: { replicas: "integer", strategy: object("DeploymentStrategy") },
  },
  DeploymentStrategy: {
    optional: {
      type: { oneOf: ["RollingUpdate", "Recreate"] },
      rollingUpdate: object("RollingUpdateDeployment"),
    },
  },
  RollingUpdateDeployment: { optional: { maxUnavailable: "integer", maxSurge: "integer" } },
  LabelSelector: { required: { matchLabels: LABELS } },
  PodTemplateSpec: { required: { metadata: object("PodMeta"), spec: object("PodSpec") } },
  PodMeta: { required: { labels: LABELS } },
  PodSpec: {
    required: { containers: listOf(object("Container")) },
    optional: {
      initContainers: listOf(object("InitContainer")),
      shareProcessNamespace: "boolean",
      // Optional there, and 30 when it is missing; here never left to chance.
      terminationGracePeriodSeconds: "integer",
      volumes: listOf(object("Volume")),
    },
  },
  Container: { required: { name: "name" }, optional: CONTAINER },
  // Only init containers have a restart policy, of one value: which makes a sidecar of them (1.29).
  InitContainer: {
    required: { name: "name" },
    optional: { ...CONTAINER, restartPolicy: { oneOf: ["Always"] } },
  },
  ContainerPort: { required: { containerPort: "portNumber" }, optional: { name: "portName" } },
  Probe: {
    optional: {
      ...HANDLER,
      initialDelaySeconds: "integer",
      timeoutSeconds: "integer",
      periodSeconds: "integer",
      successThreshold: "integer",
      failureThreshold: "integer",
    },
    exactlyOne: HANDLERS,
  },
  Lifecycle: {
    optional: { postStart: object("LifecycleHandler"), preStop: object("LifecycleHandler") },
  },
  LifecycleHandler: { optional: HANDLER, exactlyOne: HANDLERS },
  ExecAction: { required: { command: STRINGS } },
  HTTPGetAction: {
    required: { port: "port" },
    optional: { path: "string", host: "string", scheme: { oneOf: ["HTTP", "HTTPS"] } },
  },
  Volume: { required: { name: "name" }, optional: { emptyDir: object("EmptyDir") } },
  EmptyDir: {},
  VolumeMount: {
    required: { name: "name", mountPath: "string" },
    optional: { readOnly: "boolean", subPath: "string" },
  },
};

const MAX_PORT = 65_535;
/** DNS label (RFC 1123) of at most 63; the value of a label has at least that. */
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** IANA_SVC_NAME: at most 15, with a letter. */
const PORT_NAME = /^(?=.*[a-z])[a-z0-9](?:[a-z0-9-]{0,13}[a-z0-9])?$/;

/** @returns what is wrong, each with its place; empty: nothing */
export function schemaFaults(value: Yaml, name = "Deployment", place = ""): string[] {
  return faults({ object: name as keyof typeof OBJECTS }, value, place);
}

function faults(type: Type, value: Yaml, place: string): string[] {
  if (typeof type === "string") return isScalar(type, value) ? [] : [`${place}: is no ${type}`];
  if ("oneOf" in type) {
    const allowed = type.oneOf.join(" or ");
    return type.oneOf.includes(String(value)) ? [] : [`${place}: is not ${allowed}`];
  }
  if ("listOf" in type) {
    if (!Array.isArray(value)) return [`${place}: is no list`];
    return value.flatMap((item, index) => faults(type.listOf, item, `${place}[${index}]`));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return [`${place}: is no mapping`];
  }
  const at = (key: string) => (place === "" ? key : `${place}.${key}`);
  if ("valuesOf" in type) {
    return Object.entries(value).flatMap(([key, item]) => faults(type.valuesOf, item, at(key)));
  }
  const { required = {}, optional = {}, exactlyOne } = OBJECTS[type.object]!;
  const known: Readonly<Record<string, Type>> = { ...required, ...optional };
  const missing = Object.keys(required).filter((key) => !Object.hasOwn(value, key));
  const chosen = exactlyOne?.filter((key) => Object.hasOwn(value, key)).length ?? 1;
  return [
    ...missing.map((key) => `${at(key)}: is missing`),
    ...(chosen === 1 ? [] : [`${place}: has not exactly one of ${exactlyOne?.join(", ")}`]),
    ...Object.entries(value).flatMap(([key, item]) =>
      Object.hasOwn(known, key)
        ? faults(known[key]!, item, at(key))
        : [`${at(key)}: ${type.object} has no such field`]
    ),
  ];
}

function isScalar(type: Scalar, value: Yaml): boolean {
  switch (type) {
    case "string":
      return typeof value === "string";
    case "boolean":
      return typeof value === "boolean";
    case "integer":
      return Number.isSafeInteger(value) && Number(value) >= 0;
    case "portNumber":
      return Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= MAX_PORT;
    case "port":
      return isScalar("portNumber", value) || isScalar("portName", value);
    case "name":
      return typeof value === "string" && NAME.test(value);
    case "portName":
      return typeof value === "string" && PORT_NAME.test(value);
  }
}
