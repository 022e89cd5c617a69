/**
 * Schemas for fields that another process has written: every text, list and number has a bound, and whatever a schema
 * does not name is dropped. Pure.
 */
import * as v from "valibot";
import { MAX_WORKERS } from "../../lifecycle/limits.ts";
import {
  HELD,
  type ListenAddress,
  type MemberRecord,
  type UnixNode,
} from "../../steering/member.ts";

/** A message that does not follow the protocol; says which field is wrong, and what it must be. */
export class MalformedMessage extends Error {}

const MAX_SHOWN = 40;
const MAX_HOST = 45;
const MAX_PORT = 65_535;
const MAX_UINT32 = 2 ** 32 - 1;
const MAX_INT31 = 2 ** 31 - 1;
const MAX_PID = 2 ** 22;
const MAX_NAME = 200;
const MAX_PATH = 4096;
const MAX_NOTE = 4 * 1024 * 1024;
const MAX_REASON = 4000;
const MAX_PASSED_ON = 16;
/** The most entries of lists whose length only the size of the message limits. */
const MAX_ENTRIES = 65_536;

export function int(min: number, max: number) {
  const wanted = `a whole number from ${min} to ${max}`;
  return v.pipe(
    v.number(wanted),
    v.integer(wanted),
    v.minValue(min, wanted),
    v.maxValue(max, wanted),
  );
}

export function text(maxLength: number) {
  const wanted = `a text of at most ${maxLength} characters`;
  return v.pipe(v.string(wanted), v.maxLength(maxLength, wanted));
}

export function list<const Item extends v.GenericSchema>(item: Item, maxLength = MAX_ENTRIES) {
  const wanted = `a list of at most ${maxLength}`;
  return v.pipe(v.array(item, wanted), v.maxLength(maxLength, wanted), v.readonly());
}

/** The message about an object that is none, or that lacks the field. */
export function objectMessage({ expected }: v.BaseIssue<unknown>): string {
  return expected === "Object" ? "an object" : "present";
}

export function object<const Entries extends v.ObjectEntries>(entries: Entries) {
  return v.pipe(v.object(entries, objectMessage), v.readonly());
}

export function oneOf<const Options extends readonly string[]>(options: Options) {
  return v.picklist(options, `one of ${options.join(", ")}`);
}

export function number(min: number, max: number) {
  const wanted = `a number from ${min} to ${max}`;
  return v.pipe(v.number(wanted), v.minValue(min, wanted), v.maxValue(max, wanted));
}

export function once<Value>(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => made ??= make();
}

/** Builds a schema when it is first used: every start loads them all (0.9 ms), and needs few. */
export function lazily<const Schema extends v.GenericSchema>(make: () => Schema) {
  return v.lazy(once(make));
}

export function lazyVariant<
  const Key extends string,
  const Options extends v.VariantOptions<Key>,
>(key: Key, make: () => Options, wanted: string) {
  return lazily(() => v.variant(key, make(), wanted));
}

export function lazyObject<const Entries extends v.ObjectEntries>(make: () => Entries) {
  return lazily(() => object(make()));
}

export const flag = lazily(() => v.boolean("true or false"));
export const name = lazily(() => text(MAX_NAME));
export const reason = lazily(() => text(MAX_REASON));
/** Text for people, of any length that fits into the largest message. */
export const note = lazily(() => text(MAX_NOTE));
export const path = lazily(() => text(MAX_PATH));
export const base64 = lazily(() => v.pipe(note, v.regex(/^[A-Za-z0-9+/]*={0,2}$/, "base64")));
export const uint64 = lazily(() => v.pipe(text(20), v.regex(/^\d+$/, "a number as text")));
export const count = lazily(() => int(0, Number.MAX_SAFE_INTEGER));
export const epoch = lazily(() => int(0, MAX_INT31));
export const pid = lazily(() => int(0, MAX_PID));
export const inode = lazily(() => int(1, MAX_UINT32));
export const durationMs = lazily(() => int(0, MAX_INT31));
/** ISO 8601. */
export const date = lazily(() =>
  v.pipe(text(MAX_HOST), v.check((value) => !Number.isNaN(Date.parse(value)), "a date"))
);

const ANY_VERSION = lazily(() => v.looseObject({ version: count }, objectMessage));

export const DRAIN_CALLS = lazyObject(() => ({
  ok: count,
  failed: count,
  lastFailure: v.nullable(object({ call: note, epoch, worker: count, reason: note, at: date })),
}));

export const COUNTERS = lazyObject(() => ({
  ok: count,
  failed: count,
  crashes: count,
  /** An operator has failed the service's health (/healthcheck/fail). */
  failedByHand: v.exactOptional(flag),
  drainCalls: v.exactOptional(DRAIN_CALLS),
}));

/** Descriptors that go from each baton to the next one, whatever they are for. */
export const PASSED_ON = lazily(() => list(name, MAX_PASSED_ON));

/** An address of TCP or UDP, or of a Unix socket. */
export const ADDRESS: v.GenericSchema<unknown, ListenAddress> = lazyVariant("family", () => [
  object({
    family: oneOf(["inet", "inet6"]),
    host: text(MAX_HOST),
    port: int(1, MAX_PORT),
    scope: int(0, MAX_UINT32),
    v6only: flag,
    boundInterface: int(0, MAX_UINT32),
    front: v.exactOptional(v.literal(true)),
    protocol: v.exactOptional(v.literal("udp")),
  }),
  object({
    family: v.literal("unix"),
    type: oneOf(["stream", "packets"]),
    directory: path,
    directoryKey: name,
    name: path,
  }),
], "one of inet, inet6, unix");

const UNIX_NODE: v.GenericSchema<unknown, UnixNode> = lazyObject(() => ({
  name: v.nullable(path),
  key: name,
  bound: path,
  asked: v.exactOptional(path),
  isBatons: v.exactOptional(flag),
}));

export const MEMBER: v.GenericSchema<unknown, MemberRecord> = lazyObject(() => ({
  epoch: int(HELD, MAX_INT31),
  inode,
  late: flag,
  origin: v.nullable(oneOf(["grouped", "shared", "standby"])),
  owner: pid,
  unheld: flag,
  dead: flag,
  receiving: flag,
  passing: v.exactOptional(flag),
  ofSession: v.exactOptional(flag),
  standsIn: v.exactOptional(flag),
  worker: v.exactOptional(int(0, MAX_WORKERS - 1)),
  aside: v.exactOptional(flag),
  node: v.exactOptional(UNIX_NODE),
}));

/** @throws {MalformedMessage} */
export function parseJson<Output>(
  schema: v.GenericSchema<unknown, Output>,
  data: Uint8Array | string,
): Output {
  let value: unknown;
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    value = JSON.parse(typeof data === "string" ? data : decoder.decode(data));
  } catch {
    throw new MalformedMessage(`${data.length} bytes that are not JSON`);
  }
  return check(schema, value);
}

/**
 * Checks a state that another version may have written.
 * @param read returns what was JSON. @throws {MalformedMessage} that begins with `cannot`, and names both versions
 */
export function checkVersion<Output>(
  schema: v.GenericSchema<unknown, Output>,
  version: number,
  cannot: string,
  read: () => unknown,
): Output {
  try {
    const value = read();
    const given = check(ANY_VERSION, value).version;
    if (given === version) return check(schema, value);
    throw new MalformedMessage(`it has version ${given}, and this baton reads version ${version}`);
  } catch (error) {
    throw new MalformedMessage(`${cannot}: ${malformedText(error)}`);
  }
}

/** @returns what is wrong with a message, for the other side. @throws an error that is not the message's fault */
export function malformedText(error: unknown): string {
  if (error instanceof MalformedMessage) return error.message;
  throw error;
}

/** @throws {MalformedMessage} */
export function check<Output>(schema: v.GenericSchema<unknown, Output>, value: unknown): Output {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const shown = (JSON.stringify(issue.input) ?? "nothing").slice(0, MAX_SHOWN);
  const field = v.getDotPath(issue) ?? "message";
  throw new MalformedMessage(`"${field}" must be ${issue.message}, and is ${shown}`);
}

export function cutReason(reason: string): string {
  return reason.slice(0, MAX_REASON);
}
