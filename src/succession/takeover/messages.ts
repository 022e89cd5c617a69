/**
 * What two batons say to each other when one takes over from the other, and how it is written. Pure.
 *
 * The socket is SOCK_SEQPACKET: the kernel keeps the length of each message, one message is one
 * packet of at most MESSAGE_LIMIT bytes: JSON, with descriptors beside it. The new baton asks, the
 * old one answers each request in order, except `terminate` and `failed`. A kind that a baton does
 * not know is answered by `not_understood` and is no fault: so later versions may ask for more.
 *
 *   new: hello          old: accepted | refused
 *   new: group          old: group       with the members of one address, in the kernel's order
 *   new: member         old: member      with a new member at that address, which gets nothing yet
 *   new: switch         old: switched    the old one has steered: THE POINT OF NO RETURN of both
 *   new: serves         (nothing)        ours is on record: with --survive nothing is taken back from here on
 *   new: terminate      (nothing)        one more request to stop, as by a signal
 *   new: failed         (nothing)        why the new one gives up
 *
 * `refused` may come at any time before `switched`, and is the last message. Whoever closes the
 * socket is gone: a process that ends closes it.
 */
import {
  type GroupAddress,
  type MemberRecord,
  NO_GENERATION,
  type SocketOrigin,
} from "../../steering/member.ts";
import {
  type Fields,
  fieldsOf,
  flag,
  int,
  list,
  MalformedMessage,
  orNull,
  text,
} from "./fields.ts";

/** The versions of the protocol that this baton speaks. `hello` and `refused` never change. */
export const VERSIONS: VersionRange = { min: 1, max: 1 };
/** Longest message: a group of 60 members with long addresses is a fifth of it. */
export const MESSAGE_LIMIT = 64 * 1024;
/** Members in one answer; the kernel passes at most 64 descriptors with one of our messages. */
export const MAX_MEMBERS_IN_MESSAGE = 60;
export const MAX_GROUPS = 1024;
const MAX_MEMBERS = 65_536;
const MAX_EPOCH = 2 ** 31;
const MAX_INODE = 2 ** 32 - 1;
const MAX_VERSION = 65_535;
const MAX_PORT = 65_535;
const MAX_NAME = 200;
const MAX_HOST = 45;
const MAX_REASON = 4000;
const MAX_DURATION_MS = 2 ** 31 - 1;
const MAX_COUNT = Number.MAX_SAFE_INTEGER;

export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

export interface Counters {
  readonly ok: number;
  readonly failed: number;
  readonly crashes: number;
}

/** Asked by the new baton. */
export type Request =
  | {
    readonly kind: "hello";
    readonly versions: VersionRange;
    readonly baton: string;
    readonly name: string;
    /** The network namespace, as /proc/self/ns/net names it. */
    readonly network: string;
    /** How long its generation may take to get ready. */
    readonly readyTimeoutMs: number;
    /** Its server will outlive it (--survive). Absent: no. */
    readonly survives: boolean;
  }
  | { readonly kind: "group"; readonly index: number; readonly from: number }
  | { readonly kind: "member"; readonly index: number }
  /** Inodes of the new members that its server accepts from. */
  | { readonly kind: "switch"; readonly members: readonly number[] }
  | { readonly kind: "serves" }
  | { readonly kind: "terminate" }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "unknown"; readonly name: string };

/** What the old baton says of itself. */
export interface TakeoverOffer {
  readonly version: number;
  readonly baton: string;
  readonly name: string;
  /** The network namespace that its sockets belong to. */
  readonly network: string;
  /** The serving generation. */
  readonly epoch: number;
  /** What the new baton's generation is numbered. */
  readonly nextEpoch: number;
  /** ISO 8601. */
  readonly startedAt: string;
  /** It sent READY=1: so must its successor (--ready auto). */
  readonly notified: boolean;
  readonly counters: Counters;
  /** How many there are to ask for. */
  readonly groups: number;
  /** Its server outlives it (--survive), and its own next baton goes on with that. Absent: no. */
  readonly survives: boolean;
}

/** Said by the old baton. */
export type Reply =
  | ({ readonly kind: "accepted" } & TakeoverOffer)
  | {
    readonly kind: "group";
    readonly index: number;
    readonly address: GroupAddress;
    readonly members: readonly MemberRecord[];
    /** The next member to ask for; null = these were the last. */
    readonly next: number | null;
  }
  | { readonly kind: "member"; readonly index: number; readonly member: MemberRecord }
  | { readonly kind: "switched"; readonly counters: Counters }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "not_understood"; readonly name: string };

/** @returns the highest version that both speak, or null */
export function commonVersion(a: VersionRange, b: VersionRange): number | null {
  const version = Math.min(a.max, b.max);
  return version >= Math.max(a.min, b.min) ? version : null;
}

export function versionsText({ min, max }: VersionRange): string {
  return min === max ? `version ${min}` : `versions ${min} to ${max}`;
}

export function encodeMessage(message: Request | Reply): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message));
}

/** @throws {MalformedMessage} */
export function parseRequest(data: Uint8Array): Request {
  const fields = fieldsIn(data);
  const kind = text(fields, "kind", MAX_NAME);
  switch (kind) {
    case "hello":
      return {
        kind,
        versions: versionsIn(fieldsOf(fields["versions"], "versions")),
        baton: text(fields, "baton", MAX_NAME),
        name: text(fields, "name", MAX_NAME),
        network: text(fields, "network", MAX_NAME),
        readyTimeoutMs: int(fields, "readyTimeoutMs", 0, MAX_DURATION_MS),
        survives: survivesIn(fields),
      };
    case "group":
      return {
        kind,
        index: int(fields, "index", 0, MAX_GROUPS),
        from: int(fields, "from", 0, MAX_MEMBERS),
      };
    case "member":
      return { kind, index: int(fields, "index", 0, MAX_GROUPS) };
    case "switch":
      return { kind, members: list(fields, "members", MAX_GROUPS * 4).map(inodeIn) };
    case "serves":
    case "terminate":
      return { kind };
    case "failed":
      return { kind, reason: text(fields, "reason", MAX_REASON) };
    default:
      return { kind: "unknown", name: kind };
  }
}

/** @throws {MalformedMessage} also when it is of no kind that is known: an answer must be understood */
export function parseReply(data: Uint8Array): Reply {
  const fields = fieldsIn(data);
  const kind = text(fields, "kind", MAX_NAME);
  switch (kind) {
    case "accepted":
      return {
        kind,
        version: int(fields, "version", VERSIONS.min, VERSIONS.max),
        baton: text(fields, "baton", MAX_NAME),
        name: text(fields, "name", MAX_NAME),
        network: text(fields, "network", MAX_NAME),
        epoch: int(fields, "epoch", 0, MAX_EPOCH),
        nextEpoch: int(fields, "nextEpoch", 1, MAX_EPOCH),
        startedAt: dateIn(fields),
        notified: flag(fields, "notified"),
        counters: countersIn(fieldsOf(fields["counters"], "counters")),
        groups: int(fields, "groups", 1, MAX_GROUPS),
        survives: survivesIn(fields),
      };
    case "group":
      return {
        kind,
        index: int(fields, "index", 0, MAX_GROUPS),
        address: addressIn(fieldsOf(fields["address"], "address")),
        members: list(fields, "members", MAX_MEMBERS_IN_MESSAGE).map(memberIn),
        next: orNull(fields, "next", () => int(fields, "next", 1, MAX_MEMBERS)),
      };
    case "member":
      return {
        kind,
        index: int(fields, "index", 0, MAX_GROUPS),
        member: memberIn(fields["member"]),
      };
    case "switched":
      return { kind, counters: countersIn(fieldsOf(fields["counters"], "counters")) };
    case "refused":
      return { kind, reason: text(fields, "reason", MAX_REASON) };
    case "not_understood":
      return { kind, name: text(fields, "name", MAX_NAME) };
    default:
      throw new MalformedMessage(`"kind" is "${kind}", which is no answer`);
  }
}

/** A reason of any length, as it may be sent. */
export function cutReason(reason: string): string {
  return reason.slice(0, MAX_REASON);
}

function fieldsIn(data: Uint8Array): Fields {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch {
    throw new MalformedMessage(`${data.length} bytes that are no JSON`);
  }
  return fieldsOf(value, "message");
}

/** Batons before it did not say. */
function survivesIn(fields: Fields): boolean {
  return "survives" in fields && flag(fields, "survives");
}

function versionsIn(fields: Fields): VersionRange {
  const min = int(fields, "min", 1, MAX_VERSION);
  return { min, max: int(fields, "max", min, MAX_VERSION) };
}

function countersIn(fields: Fields): Counters {
  return {
    ok: int(fields, "ok", 0, MAX_COUNT),
    failed: int(fields, "failed", 0, MAX_COUNT),
    crashes: int(fields, "crashes", 0, MAX_COUNT),
  };
}

function dateIn(fields: Fields): string {
  const date = text(fields, "startedAt", MAX_HOST);
  if (Number.isNaN(Date.parse(date))) throw new MalformedMessage(`"startedAt" must be a date`);
  return date;
}

function addressIn(fields: Fields): GroupAddress {
  const family = text(fields, "family", MAX_HOST);
  if (family !== "inet" && family !== "inet6") {
    throw new MalformedMessage(`"family" must be inet or inet6, and is "${family}"`);
  }
  return {
    family,
    host: text(fields, "host", MAX_HOST),
    port: int(fields, "port", 1, MAX_PORT),
    scope: int(fields, "scope", 0, MAX_INODE),
    v6only: flag(fields, "v6only"),
    boundInterface: int(fields, "boundInterface", 0, MAX_INODE),
  };
}

function inodeIn(value: unknown): number {
  return int({ inode: value }, "inode", 1, MAX_INODE);
}

function originIn(fields: Fields): SocketOrigin | null {
  const origin = orNull(fields, "origin", () => text(fields, "origin", MAX_HOST));
  if (origin === null || origin === "grouped" || origin === "shared") return origin;
  throw new MalformedMessage(`"origin" must be grouped or shared, and is "${origin}"`);
}

function memberIn(value: unknown): MemberRecord {
  const fields = fieldsOf(value, "member");
  return {
    epoch: int(fields, "epoch", NO_GENERATION, MAX_EPOCH),
    inode: inodeIn(fields["inode"]),
    late: flag(fields, "late"),
    origin: originIn(fields),
    owner: int(fields, "owner", 0, MAX_EPOCH),
    unheld: flag(fields, "unheld"),
    dead: flag(fields, "dead"),
    receiving: flag(fields, "receiving"),
  };
}
