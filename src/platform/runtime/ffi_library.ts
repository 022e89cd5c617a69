/** What loading a C library has in common on both runtimes. */
import type { FfiResult, Library, PrototypeTable } from "./runtime.ts";

export type Calls = Record<string, (...values: unknown[]) => unknown>;

/** Numbers of results that a runtime returns in another form. */
type Conversions = Partial<Record<FfiResult, (value: unknown) => number>>;

/** @param open throws where there is no such library */
export function openFirst<T>(names: readonly string[], open: (name: string) => T): T {
  let failure: unknown;
  for (const name of names) {
    try {
      return open(name);
    } catch (error) {
      failure = error;
    }
  }
  throw new Error(`Cannot load any of ${names.join(", ")}`, { cause: failure });
}

/** @returns the calls of `symbols`, with results that are plain numbers */
export function withPlainResults<T extends PrototypeTable>(
  symbols: Calls,
  table: T,
  conversions: Conversions,
): Library<T> {
  const library: Calls = {};
  for (const [name, prototype] of Object.entries(table)) {
    const call = symbols[name]!;
    const convert = conversions[prototype.result];
    library[name] = convert === undefined ? call : (...values) => convert(call(...values));
  }
  return library as Library<T>;
}
