/**
 * Asks a C compiler what the headers say: one generated program prints the value of each expression.
 *
 * A plain name that is neither a macro nor an enumerator of the headers is a compiler error, which names
 * it; only `optional` macros may be missing, and their value is null then.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { which } from "./programs.ts";
import { tempDir } from "./temp_dir.ts";

const COMPILE_TIMEOUT_MS = 60_000;

/** The C compiler in PATH, or null. */
export function findCompiler(): string | null {
  return which("cc") ?? which("gcc") ?? which("clang");
}

/** Whether the compiler finds `header`: "linux/seccomp.h". */
export function hasHeader(compiler: string, header: string): boolean {
  if (existsSync(`/usr/include/${header}`)) return true;
  try {
    execFileSync(compiler, ["-E", "-x", "c", "-"], {
      input: `#include <${header}>\n`,
      stdio: ["pipe", "ignore", "ignore"],
      timeout: COMPILE_TIMEOUT_MS,
    });
    return true;
  } catch {
    return false;
  }
}

export interface Question {
  /** "fcntl.h", in the order of inclusion. */
  readonly headers: readonly string[];
  /** Declarations after the headers. */
  readonly preamble?: string;
  /** C expressions of integer type, by the name they are answered under. */
  readonly expressions: Readonly<Record<string, string>>;
  /** Macros that may be undefined, by the name they are answered under. */
  readonly optional?: Readonly<Record<string, string>>;
}

/** @returns the value of each expression; null for an optional macro that is not defined */
export function evaluate(compiler: string, question: Question): Map<string, number | null> {
  using dir = tempDir("baton-c");
  const source = dir.write("numbers.c", program(question));
  const binary = dir.join("numbers");
  execFileSync(compiler, ["-w", "-o", binary, source], {
    stdio: ["ignore", "ignore", "inherit"],
    timeout: COMPILE_TIMEOUT_MS,
  });
  const output = execFileSync(binary, [], { encoding: "utf8", timeout: COMPILE_TIMEOUT_MS });
  return new Map(
    output.trimEnd().split("\n").map((line) => {
      const [name = "", value = ""] = line.split(" ");
      return [name, value === "-" ? null : Number(value)] as const;
    }),
  );
}

function program({ headers, preamble = "", expressions, optional = {} }: Question): string {
  const print = (name: string, expression: string) =>
    `  printf("%s %lld\\n", "${name}", (long long)(${expression}));`;
  return [
    "#define _GNU_SOURCE",
    "#include <stddef.h>",
    "#include <stdint.h>",
    "#include <stdio.h>",
    ...headers.map((header) => `#include <${header}>`),
    preamble,
    "int main(void) {",
    ...Object.entries(expressions).map(([name, expression]) => print(name, expression)),
    ...Object.entries(optional).flatMap(([name, macro]) => [
      `#ifdef ${macro}`,
      print(name, macro),
      "#else",
      `  printf("%s -\\n", "${name}");`,
      "#endif",
    ]),
    "  return 0;",
    "}",
    "",
  ].join("\n");
}
