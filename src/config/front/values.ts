/** Values of the table `[front]`. Pure. */
import { parseDuration } from "../values/duration.ts";
import { UserError } from "../values/errors.ts";
import { parseMinFree } from "../values/memory_size.ts";

type FrontCheck =
  | { readonly kind: "http"; readonly path: string }
  | { readonly kind: "tcp" }
  /** A check by gRPC; an empty service is the whole server. */
  | { readonly kind: "grpc"; readonly service: string };

type Sticky =
  | { readonly kind: "header" | "cookie"; readonly name: string }
  | { readonly kind: "address" };

/** So many requests in a time. */
interface Rate {
  readonly requests: number;
  readonly perMs: number;
}

/** Which requests go to another cluster than that of the service. */
interface FrontRoute {
  /** The host of a request; null: any. */
  readonly host: string | null;
  readonly prefix: string;
  readonly cluster: string;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** Envoy refuses a shorter time between two fillings of a bucket. */
const SHORTEST_RATE_MS = 50;
const MOST_REQUESTS = 1_000_000_000;

export function parseFrontCheck(text: string): FrontCheck {
  const path = /^http:(\/[\x21-\x7e]*)$/.exec(text)?.[1];
  if (path !== undefined) return { kind: "http", path };
  if (text === "tcp") return { kind: "tcp" };
  const service = /^grpc(?::([\x21-\x7e]+))?$/.exec(text);
  if (service !== null) return { kind: "grpc", service: service[1] ?? "" };
  throw new UserError(`Cannot check by ${JSON.stringify(text)}: it is no kind of check`, {
    remedy: "Write http:/PATH, tcp, or grpc[:SERVICE]",
  });
}

export function parseSticky(text: string): Sticky {
  if (text === "address") return { kind: "address" };
  const [, kind, name = ""] = new RegExp(`^(header|cookie):(${TOKEN})$`).exec(text) ?? [];
  if (kind === "header" || kind === "cookie") return { kind, name };
  throw new UserError(`Cannot keep clients by ${JSON.stringify(text)}: it is no kind of identity`, {
    remedy: "Write header:NAME, cookie:NAME, or address",
  });
}

export function parseRate(text: string): Rate {
  const [, digits = "", time = ""] = /^(\d+)\/([0-9.]*(?:ms|s|m|h|d))$/.exec(text.trim()) ?? [];
  const requests = Number(digits);
  if (digits === "" || requests < 1 || requests > MOST_REQUESTS) throw refuseRate(text);
  const perMs = parseDuration(/^\d/.test(time) ? time : `1${time}`);
  if (perMs < SHORTEST_RATE_MS) throw refuseRate(text);
  return { requests, perMs };
}

function refuseRate(text: string): UserError {
  return new UserError(`Cannot limit requests to ${JSON.stringify(text)}: it is not a rate`, {
    remedy: `Write 100/s or 5000/1m; the time is at least ${SHORTEST_RATE_MS}ms`,
  });
}

export function parseRoute(text: string): FrontRoute {
  const [, host = "", prefix = "", cluster = ""] =
    /^([A-Za-z0-9.*-]*)(\/[\x21-\x3c\x3e-\x7e]*)=([A-Za-z0-9_.-]{1,63})$/.exec(text) ?? [];
  if (cluster !== "") return { host: host === "" ? null : host.toLowerCase(), prefix, cluster };
  throw new UserError(`Cannot route by ${JSON.stringify(text)}: it is no route`, {
    remedy: "Write [HOST]/PREFIX=CLUSTER, for example /api/=api or api.example.org/=api",
  });
}

/** @returns bytes */
export function parseSize(text: string): number {
  const size = parseMinFree(text);
  if (size.kind === "bytes") return size.bytes;
  throw new UserError(`Cannot use ${JSON.stringify(text)}: it must be a size in bytes`, {
    remedy: "Write for example 512M or 2G",
  });
}
