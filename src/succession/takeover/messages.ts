/**
 * The takeover protocol: what two batons say to each other while one takes over from the other. Pure.
 *
 * The socket is SOCK_SEQPACKET, which keeps message boundaries: one message is one packet of at most MESSAGE_LIMIT
 * bytes, JSON with descriptors beside it. The new baton asks. The old one answers each request in order, except
 * `serves`, `terminate` and `failed`. It answers a kind that it does not know with `not_understood`, so that later
 * versions may ask for more.
 *
 *   new: hello          old: accepted | refused
 *   new: group          old: group       with the members of one address, in the kernel's order
 *   new: member         old: member      with a new member at that address, which gets no connection yet
 *   new: switch         old: switched    the old one has steered: THE POINT OF NO RETURN for both
 *   new: serves         (nothing)        its state is on record: with --survive nothing is taken back from here on
 *   new: terminate      (nothing)        one more request to stop, as by a signal
 *   new: failed         (nothing)        why the new one gives up
 *
 * `refused` may come at any time before `switched`, and is the last message. A baton that closes the socket is gone: so
 * is one that exits, because the kernel closes it then.
 */
import * as v from "valibot";
import * as f from "../state/fields.ts";

const MAX_VERSION = 65_535;
/** Longest message: a group of 60 members with long addresses takes a fifth of it. */
export const MESSAGE_LIMIT = 64 * 1024;
/** Members in one answer; the kernel passes at most 64 descriptors with one of our messages. */
export const MAX_MEMBERS_IN_MESSAGE = 60;
export const MAX_GROUPS = 1024;
const MAX_MEMBERS = 65_536;

const index = f.lazily(() => f.int(0, MAX_GROUPS));
const version = f.lazily(() => f.int(1, MAX_VERSION));
const VERSION_RANGE = f.lazily(() =>
  v.pipe(
    f.object({ min: version, max: version }),
    v.forward(v.check(({ min, max }) => min <= max, `at least "min"`), ["max"]),
  )
);

export type VersionRange = v.InferOutput<typeof VERSION_RANGE>;
export type Counters = v.InferOutput<typeof f.COUNTERS>;

/** The versions of the protocol that this baton speaks. `hello` and `refused` never change. */
export const VERSIONS: VersionRange = { min: 1, max: 1 };

/** Asked by the new baton. */
const requests = f.once(() => ({
  hello: f.object({
    kind: v.literal("hello"),
    versions: VERSION_RANGE,
    baton: f.name,
    name: f.name,
    /** The network namespace, as /proc/self/ns/net names it. */
    network: f.name,
    /** How long its generation may take to get ready. */
    readyTimeoutMs: f.durationMs,
    /** Its server outlives it (--survive). */
    survives: f.flag,
  }),
  group: f.object({ kind: v.literal("group"), index, from: f.int(0, MAX_MEMBERS) }),
  member: f.object({ kind: v.literal("member"), index }),
  /** Inodes of the new members that its server accepts from. */
  switch: f.object({ kind: v.literal("switch"), members: f.list(f.inode, MAX_GROUPS * 4) }),
  serves: f.object({ kind: v.literal("serves") }),
  terminate: f.object({ kind: v.literal("terminate") }),
  failed: f.object({ kind: v.literal("failed"), reason: f.reason }),
}));

/** Said by the old baton. */
const replies = f.once(() => ({
  accepted: f.object({
    kind: v.literal("accepted"),
    version: f.int(VERSIONS.min, VERSIONS.max),
    baton: f.name,
    name: f.name,
    /** The network namespace that its sockets belong to. */
    network: f.name,
    /** The serving generation. */
    epoch: f.epoch,
    /** The number of the new baton's generation. */
    nextEpoch: f.int(1, 2 ** 31 - 1),
    startedAt: f.date,
    /** Whether it sent READY=1: then so must its successor (--ready auto). */
    notified: f.flag,
    counters: f.COUNTERS,
    /** How many there are to ask for. */
    groups: f.int(1, MAX_GROUPS),
    /** Its server outlives it (--survive), and its own next instance recovers that. */
    survives: f.flag,
    /** Names of the last descriptors beside this message. */
    passedOn: v.exactOptional(f.PASSED_ON),
  }),
  group: f.object({
    kind: v.literal("group"),
    index,
    address: f.ADDRESS,
    members: f.list(f.MEMBER, MAX_MEMBERS_IN_MESSAGE),
    /** The next member to ask for; null: these were the last. */
    next: v.nullable(f.int(1, MAX_MEMBERS)),
  }),
  member: f.object({ kind: v.literal("member"), index, member: f.MEMBER }),
  switched: f.object({ kind: v.literal("switched"), counters: f.COUNTERS }),
  refused: f.object({ kind: v.literal("refused"), reason: f.reason }),
  not_understood: f.object({ kind: v.literal("not_understood"), name: f.name }),
}));

type OutputOf<Schemas extends Record<string, v.GenericSchema>> = v.InferOutput<
  Schemas[keyof Schemas]
>;
type KnownRequest = OutputOf<ReturnType<typeof requests>>;
export type Request = KnownRequest | { readonly kind: "unknown"; readonly name: string };
export type Hello = Extract<Request, { kind: "hello" }>;
export type Reply = OutputOf<ReturnType<typeof replies>>;
export type TakeoverOffer = Omit<Extract<Reply, { kind: "accepted" }>, "kind">;

/** @returns the highest version that both speak, or null */
export function commonVersion(a: VersionRange, b: VersionRange): number | null {
  const version = Math.min(a.max, b.max);
  return version >= Math.max(a.min, b.min) ? version : null;
}

export function versionsText({ min, max }: VersionRange): string {
  return min === max ? `version ${min}` : `versions ${min} to ${max}`;
}

const ANY_MESSAGE = f.lazily(() => v.looseObject({ kind: f.name }, f.objectMessage));

/** @throws {MalformedMessage} */
export function parseRequest(data: Uint8Array): Request {
  const message = f.parseJson(ANY_MESSAGE, data);
  const schema = schemaFor(requests(), message.kind);
  return schema === null ? { kind: "unknown", name: message.kind } : f.check(schema, message);
}

/** @throws {MalformedMessage} also for an unknown kind: an answer must be understood */
export function parseReply(data: Uint8Array): Reply {
  const message = f.parseJson(ANY_MESSAGE, data);
  const schema = schemaFor(replies(), message.kind);
  if (schema !== null) return f.check(schema, message);
  throw new f.MalformedMessage(`"kind" is "${message.kind}", which is not an answer`);
}

function schemaFor<Schemas extends Record<string, v.GenericSchema>>(
  schemas: Schemas,
  kind: string,
): v.GenericSchema<unknown, OutputOf<Schemas>> | null {
  return Object.hasOwn(schemas, kind) ? schemas[kind]! as never : null;
}
