/**
 * The table `[front]` of a configuration file -> the settings of a front. Pure.
 *
 * Guarantees: every setting is there, as it was given or its default, and those that belong together agree.
 */
import type { FileValues } from "../file_values.ts";
import type { OptionValue } from "../option_makers.ts";
import {
  FRONT_BREAKERS,
  FRONT_CHECKS,
  FRONT_CLIENTS,
  FRONT_EJECTION,
  FRONT_HEALTH,
  FRONT_LIMITS,
  FRONT_PLACE,
  FRONT_SERVERS,
} from "../tables/front_options.ts";
import { UserError, withPlace } from "../values/errors.ts";
import { suggest } from "../values/suggest.ts";

/** The key in `[front]` for the service's own option: `--front eds:...`. */
const EDS_KEY = "eds";

const FIELDS = {
  ...FRONT_CLIENTS,
  ...FRONT_LIMITS,
  ...FRONT_HEALTH,
  ...FRONT_SERVERS,
  ...FRONT_CHECKS,
  ...FRONT_EJECTION,
  ...FRONT_BREAKERS,
  ...FRONT_PLACE,
};

export type FrontSettings = {
  readonly [F in keyof typeof FIELDS]:
    | ReturnType<(typeof FIELDS)[F]["read"]>
    | (typeof FIELDS)[F]["default"];
};

interface FrontKey {
  readonly field: keyof FrontSettings;
  /** The key in the file. */
  readonly key: string;
  readonly value: OptionValue<unknown>;
}

/** The keys, in the order of the documentation. */
export const FRONT_KEYS: readonly FrontKey[] = Object.entries(FIELDS).map(([field, value]) => ({
  field: field as keyof FrontSettings,
  key: field.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  value,
}));

/** @param file null: all is as by default @throws {UserError} for an unknown key, a bad value, or values that contradict */
export function readFront(file: FileValues | null): FrontSettings {
  const table = file?.front ?? new Map<string, unknown>();
  const path = file?.path ?? "";
  const known = [EDS_KEY, ...FRONT_KEYS.map(({ key }) => key)];
  for (const key of table.keys()) {
    if (known.includes(key)) continue;
    const near = suggest(key, known);
    const question = near === null ? "" : `: did you mean "${near}"?`;
    throw new UserError(`Unknown key ${JSON.stringify(key)} in [front] of ${path}${question}`, {
      remedy: "The keys are in docs/options.md, and in what 'baton schema' prints",
    });
  }
  const values = FRONT_KEYS.map(({ field, key, value }) => {
    if (!table.has(key)) return [field, value.default];
    const place = `In key "${key}" of [front] in ${path}`;
    return [field, withPlace(place, () => value.read(table.get(key)))];
  });
  // Sound because `FRONT_KEYS` has an entry for every field.
  const front = Object.fromEntries(values) as FrontSettings;
  checkTogether(front, table);
  return front;
}

/** Keys that need another one: without that they would do nothing, and nothing would say so. */
const NEEDS: readonly (readonly [key: string, needed: string])[] = [
  ["certificate", "private_key"],
  ["private_key", "certificate"],
  ["http3", "certificate"],
  ["health_mode", "health_path"],
  ["health_cache", "health_path"],
  ["health_minimum", "health_path"],
  ["check_interval", "check"],
  ["check_timeout", "check"],
  ["check_identity", "check"],
  ["unhealthy_after", "check"],
  ["healthy_after", "check"],
  ["eject_percent", "eject_after"],
  ["eject_time", "eject_after"],
  ["retries", "retry_on"],
];

function checkTogether(front: FrontSettings, table: ReadonlyMap<string, unknown>): void {
  for (const [key, needed] of NEEDS) {
    const { field, value } = FRONT_KEYS.find((each) => each.key === key) ?? {};
    if (field === undefined || front[field] === value?.default || table.has(needed)) continue;
    throw new UserError(`Cannot use ${key} of [front] without ${needed}`, {
      remedy: `Add ${needed}, or remove ${key}`,
    });
  }
  if (front.sticky !== null && !["ring-hash", "maglev"].includes(front.loadBalancing)) {
    throw new UserError(`Cannot keep clients at one endpoint by ${front.loadBalancing}`, {
      remedy: 'Use load_balancing = "ring-hash" or "maglev" with sticky, or remove sticky',
    });
  }
  const twice = front.routes.find(({ host, prefix }, index) =>
    front.routes.findIndex((other) => other.host === host && other.prefix === prefix) < index ||
    (host === null && prefix === "/")
  );
  if (twice !== undefined) {
    throw new UserError(
      `Cannot route ${twice.host ?? ""}${twice.prefix} to ${twice.cluster}: it has a route`,
      {
        remedy: "Give each host and prefix one route; what has none goes to the service itself",
      },
    );
  }
  if (front.check?.kind === "grpc" && front.upstream !== "http2") {
    throw new UserError('Cannot use a grpc check with upstream = "http1": gRPC needs HTTP/2', {
      remedy: 'Add upstream = "http2", or use an http or tcp check',
    });
  }
  if (front.checkIdentity !== null && front.check?.kind !== "http") {
    throw new UserError(`Cannot use check_identity with a ${front.check?.kind} check`, {
      remedy: "Use an http check, whose answer names the service",
    });
  }
}
