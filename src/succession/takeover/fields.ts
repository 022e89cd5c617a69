/**
 * Fields of messages from another process: each is checked for its type and its bounds before
 * anything is done with it. Pure.
 */

/** A message that is not as the protocol has it; says which field, and what it may be. */
export class MalformedMessage extends Error {}

export type Fields = Readonly<Record<string, unknown>>;

const MAX_TEXT_SHOWN = 40;

function malformed(name: string, wanted: string, value: unknown): never {
  const shown = (JSON.stringify(value) ?? "nothing").slice(0, MAX_TEXT_SHOWN);
  throw new MalformedMessage(`"${name}" must be ${wanted}, and is ${shown}`);
}

/** @throws {MalformedMessage} when `value` is no object */
export function fieldsOf(value: unknown, name: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  return malformed(name, "an object", value);
}

export function int(fields: Fields, name: string, min: number, max: number): number {
  const value = fields[name];
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) {
    return value as number;
  }
  return malformed(name, `a whole number from ${min} to ${max}`, value);
}

export function text(fields: Fields, name: string, maxLength: number): string {
  const value = fields[name];
  if (typeof value === "string" && value.length <= maxLength) return value;
  return malformed(name, `a text of at most ${maxLength} characters`, value);
}

export function flag(fields: Fields, name: string): boolean {
  const value = fields[name];
  return typeof value === "boolean" ? value : malformed(name, "true or false", value);
}

export function list(fields: Fields, name: string, maxLength: number): readonly unknown[] {
  const value = fields[name];
  if (Array.isArray(value) && value.length <= maxLength) return value;
  return malformed(name, `a list of at most ${maxLength}`, value);
}

/** @param read reads the field when it is not null */
export function orNull<T>(fields: Fields, name: string, read: () => T): T | null {
  return fields[name] === null ? null : read();
}

/** What is wrong with a message, for the other side. @throws what is no fault of the message */
export function fieldErrorText(error: unknown): string {
  if (error instanceof MalformedMessage) return error.message;
  throw error;
}
