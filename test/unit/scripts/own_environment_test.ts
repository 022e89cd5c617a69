/** Refuses what it does not know, instead of writing somewhere. The build itself tries the binary that it has made. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { ownEnvironment } from "../../../scripts/binary/own_environment.ts";

describe("ownEnvironment()", () => {
  const elf = (change: (bytes: Uint8Array) => void) => {
    const bytes = Uint8Array.from(readFileSync("/proc/self/exe").subarray(0, 4096));
    change(bytes);
    return bytes;
  };
  const cases: readonly [string, Uint8Array, RegExp][] = [
    ["a script", new TextEncoder().encode("#!/bin/sh\n".repeat(10)), /no 64-bit ELF/],
    ["nothing", new Uint8Array(0), /no 64-bit ELF/],
    ["a 32-bit program", elf((bytes) => bytes[4] = 1), /no 64-bit ELF/],
    ["another machine", elf((bytes) => bytes[18] = 8), /machine 8 is not known/],
    ["a static program", elf((bytes) => bytes[56] = 0), /linked statically/],
  ];
  for (const [name, bytes, message] of cases) {
    test(`refuses ${name}`, () => assert.throws(() => ownEnvironment(bytes), message));
  }
});
