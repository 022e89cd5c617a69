/** YAML as a value that people read, too: plain data with notes, which become comments. Pure. */

export type YamlTree =
  | string
  | number
  | boolean
  | Noted
  | readonly YamlTree[]
  | YamlMap;

/** A map, in the order of the keys; what is undefined is left out. */
export interface YamlMap {
  readonly [key: string]: YamlTree | undefined;
}

/** A value with a comment above it. */
export class Noted {
  constructor(readonly note: string, readonly value: YamlTree) {}
}

export function note(text: string, value: YamlTree): Noted {
  return new Noted(text, value);
}

/** @returns the same without notes, as a program reads it */
export function plain(tree: YamlTree): unknown {
  if (tree instanceof Noted) return plain(tree.value);
  if (Array.isArray(tree)) return tree.map(plain);
  if (typeof tree !== "object") return tree;
  const given = Object.entries(tree).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([key, value]) => [key, plain(value as YamlTree)]));
}

const TYPE = "type.googleapis.com/";

/** An extension's configuration. @param type without "type.googleapis.com/" */
export function typed(type: string, fields: YamlMap = {}): YamlMap {
  return { "@type": `${TYPE}${type}`, ...fields };
}

/** A duration as protobuf's JSON writes it: "1.5s". */
export function seconds(ms: number): string {
  return `${ms / 1000}s`;
}

/** The share of 100 in Envoy's `Percent`. */
export function percent(value: number): YamlMap {
  return { value };
}
