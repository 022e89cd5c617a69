/**
 * `parseArgs` with the signature and behavior that https://jsr.io/@std/cli documents for `@std/cli/parse-args`, for
 * networks that only reach npm registries: deno.json maps the name to this file, and a network with JSR maps it to
 * `jsr:@std/cli` instead (docs/architecture.md). Imports nothing of baton. Pure.
 */

/** One name, or several. */
type Names = string | readonly string[];

export interface ParseOptions {
  /** Words after the first `--` go to the result's "--" instead of its `_`. @default false */
  readonly "--"?: boolean;
  /** Other names of an option. */
  readonly alias?: Readonly<Record<string, Names>>;
  /** Options that take no value, and are false unless given; `true`: every `--name` without "=". */
  readonly boolean?: boolean | Names;
  /** Values of options that are not given. */
  readonly default?: Readonly<Record<string, unknown>>;
  /** Everything from the first word that is not an option goes to `_`. @default false */
  readonly stopEarly?: boolean;
  /** Options, or "_", whose values never become numbers. */
  readonly string?: Names;
  /** Options whose values are collected in an array; for all others the last value wins. */
  readonly collect?: Names;
  /** Options that `--no-NAME` sets to false. */
  readonly negatable?: Names;
  /** Called for each undeclared word: false leaves it out of the result. */
  readonly unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

interface Args {
  // deno-lint-ignore no-explicit-any
  [name: string]: any;
  /** The words that belong to no option. */
  _: (string | number)[];
  "--"?: string[];
}

/**
 * Parses command line words into options and operands: `--name value`, `--name=value`, `-n value`, `-abc`. A name with
 * dots makes nested objects. A value that reads as a number becomes one.
 */
export function parseArgs(args: readonly string[], options: ParseOptions = {}): Args {
  const end = args.indexOf("--");
  const behind = end < 0 ? [] : args.slice(end + 1);
  const parser = new Parser(end < 0 ? args : args.slice(0, end), options);
  parser.parse();
  parser.fillIn();
  if (options["--"] === true) parser.result["--"] = behind;
  else parser.result._.push(...behind);
  return parser.result;
}

class Parser {
  readonly result: Args = { _: [] };
  readonly #aliases = new Map<string, readonly string[]>();
  readonly #booleans: ReadonlySet<string>;
  readonly #strings: ReadonlySet<string>;
  readonly #collected: ReadonlySet<string>;
  readonly #negatable: ReadonlySet<string>;

  constructor(readonly args: readonly string[], readonly options: ParseOptions) {
    for (const [name, others] of Object.entries(options.alias ?? {})) {
      const all = [name, ...listOf(others)];
      for (const each of all) this.#aliases.set(each, all.filter((other) => other !== each));
    }
    const { boolean, string, collect, negatable } = options;
    this.#booleans = this.#withAliases(typeof boolean === "boolean" ? [] : boolean);
    this.#strings = this.#withAliases(string);
    this.#collected = this.#withAliases(collect);
    this.#negatable = this.#withAliases(negatable);
  }

  parse(): void {
    const { args, options, result } = this;
    for (let i = 0; i < args.length; i++) {
      const word = args[i]!;
      if (/^--./s.test(word)) i += this.#long(word, args[i + 1]);
      else if (/^-./s.test(word)) i += this.#cluster(word, args[i + 1]);
      else {
        if (options.unknown?.(word) !== false) {
          result._.push(this.#strings.has("_") ? word : numberOr(word));
        }
        if (options.stopEarly === true) return void result._.push(...args.slice(i + 1));
      }
    }
  }

  /** Sets what was not given. */
  fillIn(): void {
    for (const [name, value] of Object.entries(this.options.default ?? {})) {
      if (lookUp(this.result, name) === undefined) this.#assign(name, value, false);
    }
    for (const name of [...this.#booleans, ...this.#strings]) {
      if (lookUp(this.result, name) !== undefined) continue;
      if (this.#collected.has(name)) assign(this.result, name, []);
      else if (this.#booleans.has(name)) assign(this.result, name, false);
    }
  }

  /** @returns how many of the next words were its value */
  #long(word: string, next: string | undefined): 0 | 1 {
    const [, no = "", base = "", inline] = /^--(no-)?(.+?)(?:=(.*))?$/s.exec(word) ?? [];
    if (inline !== undefined) {
      this.#set(base, this.#booleans.has(base) ? inline !== "false" : inline, word);
      return 0;
    }
    if (no !== "" && this.#negatable.has(base)) {
      this.#set(base, false, word, false);
      return 0;
    }
    const isSwitch = this.#booleans.has(no + base) || this.options.boolean === true;
    return this.#take(no + base, word, next, isSwitch, /^-/);
  }

  /** `-abc`, `-n5`, `-n=5`, `-n/path`: a letter's value is what follows it, if that cannot be letters. */
  #cluster(word: string, next: string | undefined): 0 | 1 {
    for (let at = 1; at < word.length - 1; at++) {
      const [letter, rest] = [word[at]!, word.slice(at + 1)];
      if (rest === "-") {
        this.#set(letter, "-", word);
        return 0;
      }
      const inline = /^[A-Za-z]=(.*)$/s.exec(letter + rest)?.[1];
      const isValue = /^[A-Za-z]$/.test(letter) && /-?\d+(\.\d*)?(e-?\d+)?$/.test(rest) ||
        /^\W/.test(rest);
      if (inline !== undefined || isValue) {
        this.#set(letter, inline ?? rest, word);
        return 0;
      }
      this.#set(letter, this.#strings.has(letter) ? "" : true, word);
    }
    const last = word.at(-1)!;
    return this.#take(last, word, next, this.#booleans.has(last), /^--?[^-]/);
  }

  /** Sets an option without an inline value, from the next word where that can be its value. */
  #take(
    name: string,
    word: string,
    next: string | undefined,
    isSwitch: boolean,
    option: RegExp,
  ): 0 | 1 {
    const isTaken = next !== undefined &&
      (isSwitch ? /^(true|false)$/.test(next) : next !== "" && !option.test(next));
    if (!isTaken) this.#set(name, this.#strings.has(name) ? "" : true, word);
    else this.#set(name, isSwitch ? next !== "false" : next, word);
    return isTaken ? 1 : 0;
  }

  #set(name: string, given: string | boolean, word: string, collects = true): void {
    const { boolean, unknown } = this.options;
    const sets = [this.#booleans, this.#strings, this.#collected, this.#aliases];
    const isKnown = sets.some((set) => set.has(name)) ||
      boolean === true && /^--[^=]+$/.test(word);
    if (!isKnown && unknown?.(word, name, given) === false) return;
    const value = typeof given === "string" && !this.#strings.has(name) ? numberOr(given) : given;
    this.#assign(name, value, collects && this.#collected.has(name));
  }

  #assign(name: string, value: unknown, collects: boolean): void {
    for (const each of [name, ...this.#aliases.get(name) ?? []]) {
      const old = collects ? lookUp(this.result, each) : undefined;
      const list = Array.isArray(old) ? [...old, value] : [value];
      assign(this.result, each, collects ? list : value);
    }
  }

  #withAliases(names: Names = []): Set<string> {
    const all = listOf(names).filter((name) => name !== "");
    return new Set(all.flatMap((name) => [name, ...this.#aliases.get(name) ?? []]));
  }
}

function listOf(names: Names): readonly string[] {
  return typeof names === "string" ? [names] : names;
}

function numberOr(text: string): string | number {
  return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** @returns the value at `a.b.c`; undefined: none */
function lookUp(object: unknown, name: string): unknown {
  return name.split(".").reduce<unknown>((value, key) => {
    const isObject = typeof value === "object" && value !== null;
    return isObject && Object.hasOwn(value, key) ? (value as Args)[key] : undefined;
  }, object);
}

/** Sets `a.b.c`; never reaches a prototype. */
function assign(object: Record<string, unknown>, name: string, value: unknown): void {
  const keys = name.split(".");
  if (keys.includes("__proto__") || keys.includes("constructor")) return;
  const last = keys.pop()!;
  let inner = object;
  for (const key of keys) {
    if (typeof inner[key] !== "object" || inner[key] === null) inner[key] = {};
    inner = inner[key] as Record<string, unknown>;
  }
  inner[last] = value;
}
