/** What loading a C library has in common on both runtimes. */
import { errorText } from "../error.ts";
import type { FfiResult, Library, OnResult, PrototypeTable } from "./runtime.ts";

type Call = (...values: never[]) => unknown;

/** Makes numbers of results that a runtime returns in another form. */
type Conversions = Partial<Record<FfiResult, (value: unknown) => number>>;

/**
 * The first of the libraries `names` that is there. A call is bound when it is first used: a runtime compiles code for
 * each, and most processes of baton need a few.
 * @param bind one call of a library; throws where there is no such library
 * @throws {Error} when there is none of them
 */
export function openLazily<T extends PrototypeTable>(
  names: readonly string[],
  table: T,
  bind: (library: string, call: string, prototype: PrototypeTable[string]) => Call,
  conversions: Conversions,
  onResult?: OnResult,
): Library<T> {
  const calls = Object.entries<PrototypeTable[string]>(table);
  const [[first, prototype] = ["", undefined]] = calls;
  const name = prototype === undefined
    ? ""
    : firstOf(names, (each) => (bind(each, first, prototype), each));
  const library = {};
  for (const [call, prototype] of calls) {
    const get = () => {
      const bound = bind(name, call, prototype);
      const convert = conversions[prototype.result] ?? ((value: unknown) => value as number);
      const value = onResult !== undefined
        ? (...values: never[]) => onResult(convert(bound(...values)))
        : prototype.result in conversions
        ? (...values: never[]) => convert(bound(...values))
        : bound;
      Object.defineProperty(library, call, { value });
      return value;
    };
    Object.defineProperty(library, call, { get, configurable: true, enumerable: true });
  }
  return library as Library<T>;
}

function firstOf<T>(names: readonly string[], open: (name: string) => T): T {
  const failures: unknown[] = [];
  for (const name of names) {
    try {
      return open(name);
    } catch (error) {
      failures.push(error);
    }
  }
  // The first is the usual one, whose failure says most.
  const [cause] = failures;
  throw new Error(`Cannot load any of ${names.join(", ")}: ${errorText(cause)}`, { cause });
}
