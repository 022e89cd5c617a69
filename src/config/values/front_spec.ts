/**
 * One `--front` value: the file in which an Envoy finds the endpoints of one address of the service, and whose
 * acknowledgement counts (docs/envoy.md).
 *
 * Guarantees: the file is one that Envoy reads as JSON or YAML, and every setting is valid by itself. Envoy takes one
 * cluster from one file ("Unexpected EDS resource length"), so a service with several addresses has a front for each.
 */
import { parseDuration } from "./duration.ts";
import { UserError } from "./errors.ts";
import { suggest } from "./suggest.ts";

/** Where the admin API of an Envoy is (`AdminAddress` of src/envoy/). */
type EnvoyAdmin =
  | {
    readonly family: "inet" | "inet6";
    readonly host: string;
    readonly port: number;
    readonly scope: 0;
  }
  | { readonly family: "unix"; readonly path: string };

interface FrontSpec {
  readonly text: string;
  readonly file: string;
  /** `cluster_name` of the assignment; null: the name of the service. */
  readonly cluster: string | null;
  /** Port of the public address that the front stands before; null: the first one. */
  readonly port: number | null;
  /** Administration interfaces of every Envoy that reads the file; empty: `admin.sock` beside it, if that is there. */
  readonly admins: readonly EnvoyAdmin[];
  /** How many of them must acknowledge; null: all. */
  readonly acks: number | null;
  /** For one acknowledgement. */
  readonly timeoutMs: number;
  /** IP address of the endpoints, for Envoys on other hosts; null: private addresses of this host. */
  readonly address: string | null;
}

const SETTINGS = ["cluster", "port", "admin", "acks", "timeout", "address"] as const;
const FORM = "Write eds:FILE[,SETTING=VALUE...], for example " +
  "eds:/run/front/eds.yaml,cluster=app,admin=unix:/run/front/admin.sock";
const DEFAULT_TIMEOUT_MS = 5_000;
const IP_ADDRESS = /^\d{1,3}(\.\d{1,3}){3}$|^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/;
const MAX_PORT = 65_535;

function refuse(text: string, reason: string, remedy = FORM): UserError {
  return new UserError(`Cannot use front ${JSON.stringify(text)}: ${reason}`, { remedy });
}

/** @throws {UserError} */
export function parseFrontSpec(text: string): FrontSpec {
  if (!text.isWellFormed()) throw refuse(text, "it must be UTF-8");
  const [, file, rest] = /^eds:([^,]*)(?:,(.*))?$/s.exec(text) ?? [];
  if (file === undefined) {
    throw refuse(text, 'it does not begin with "eds:", the one kind of front that there is');
  }
  if (file === "") throw refuse(text, "the file is missing");
  if (!/\.(json|ya?ml)$/.test(file)) {
    throw refuse(text, "Envoy tells the format by the name: it must end in .yaml, .yml or .json");
  }
  const settings = new Map<string, string[]>();
  for (const setting of rest === undefined ? [] : rest.split(",")) {
    const [name, value] = splitSetting(text, setting);
    settings.set(name, [...settings.get(name) ?? [], value]);
  }
  const one = (name: typeof SETTINGS[number]): string | null => {
    const values = settings.get(name) ?? [];
    if (values.length > 1) throw refuse(text, `${name} is given twice`);
    return values[0] ?? null;
  };
  const admins = (settings.get("admin") ?? []).map((value) => parseAdmin(text, value));
  const port = one("port");
  return {
    text,
    file,
    cluster: one("cluster"),
    port: port === null ? null : parsePort(text, port),
    admins,
    acks: parseAcks(text, one("acks"), admins.length),
    timeoutMs: parseTimeout(one("timeout")),
    address: parseAddress(text, one("address")),
  };
}

function splitSetting(text: string, setting: string): [name: string, value: string] {
  const at = setting.indexOf("=");
  const name = at < 0 ? setting : setting.slice(0, at);
  if (!SETTINGS.some((each) => each === name)) {
    const near = suggest(name, SETTINGS);
    const why = `${JSON.stringify(name)} is not a setting: use ${SETTINGS.join(", ")}`;
    throw refuse(text, why, near === null ? undefined : `Did you mean ${near}?`);
  }
  const value = setting.slice(at + 1);
  if (at < 0 || value === "") throw refuse(text, `the value of ${name} is missing`);
  return [name, value];
}

function parsePort(text: string, digits: string): number {
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > MAX_PORT) throw refuse(text, `ports go from 1 to ${MAX_PORT}`);
  return port;
}

function parseAdmin(text: string, value: string): EnvoyAdmin {
  if (value.startsWith("unix:")) {
    const path = value.slice("unix:".length);
    if (/^(\/|@.)/.test(path)) return { family: "unix", path };
    throw refuse(
      text,
      `the path of ${JSON.stringify(value)} must begin with /, or be an abstract name`,
    );
  }
  const [, bracketed, name, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(value) ?? [];
  const host = bracketed ?? name;
  if (host === undefined || digits === undefined || !IP_ADDRESS.test(host)) {
    const why = `${JSON.stringify(value)} is not the address of an admin API`;
    throw refuse(text, why, "Write admin=unix:/PATH or admin=IP:PORT");
  }
  const family = host.includes(":") ? "inet6" : "inet";
  return { family, host, port: parsePort(text, digits), scope: 0 };
}

function parseAcks(text: string, value: string | null, admins: number): number | null {
  if (value === null || value === "all") return null;
  const number = /^\d{1,3}$/.test(value) ? Number(value) : NaN;
  if (number <= Math.max(1, admins)) return number;
  const why = `acks=${value} of ${admins} admin addresses`;
  throw refuse(text, why, "Write acks=all, or how many of them must acknowledge; 0: none");
}

function parseTimeout(value: string | null): number {
  if (value === null) return DEFAULT_TIMEOUT_MS;
  const ms = parseDuration(value);
  if (ms > 0) return ms;
  throw new UserError("Cannot use timeout=0 for an acknowledgement", {
    remedy: "Use acks=0 to wait for none",
  });
}

function parseAddress(text: string, value: string | null): string | null {
  if (value === null || IP_ADDRESS.test(value)) return value;
  throw refuse(text, `${JSON.stringify(value)} is not an IP address`);
}

interface FrontedService {
  readonly front: readonly FrontSpec[];
  readonly keepAlive: string;
  readonly spread: string;
  readonly rollbackOn: string;
}

/** The rules across all values, and with other options. @throws {UserError} at the first broken one */
export function checkFronts(
  { front: fronts, keepAlive, spread, rollbackOn }: FrontedService,
): void {
  const [first] = fronts;
  if (rollbackOn === "5xx" && first === undefined) {
    throw new UserError(
      "Cannot use --rollback-on 5xx without --front: baton sees no answers itself",
      { remedy: "Add --front eds:FILE, or use --rollback-on health" },
    );
  }
  if (first === undefined) return;
  if (keepAlive === "migrate") {
    const why = "clients keep their connections to Envoy, and none of theirs has to move";
    throw new UserError(`Cannot use --keep-alive migrate with --front ${first.text}: ${why}`, {
      remedy: "Remove --keep-alive",
    });
  }
  if (spread !== "random") {
    const why = "each worker is an endpoint, and Envoy spreads the requests";
    throw new UserError(`Cannot use --spread ${spread} with --front ${first.text}: ${why}`, {
      remedy: "Remove --spread, and set lb_policy in Envoy's cluster",
    });
  }
  for (const [index, { file, port, text }] of fronts.entries()) {
    const before = fronts.slice(0, index);
    const sameFile = before.find((other) => other.file === file);
    if (sameFile !== undefined) {
      throw new UserError(`Cannot use --front ${text}: --front ${sameFile.text} has this file`, {
        remedy: "Envoy takes one cluster from one file: give each a file of its own",
      });
    }
    if (before.some((other) => other.port === port)) {
      const where = port === null ? "no port=" : `port=${port}, too`;
      throw new UserError(`Cannot use --front ${text}: another --front has ${where}`, {
        remedy: "Name the address that each stands before: port=PORT",
      });
    }
  }
}
