/** What a compiled baton may need: the build refuses more. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { Elf } from "../../../scripts/binary/elf.ts";
import { unexpectedNeeds } from "../../../scripts/binary/needs.ts";

/** An ELF file of nothing but an interpreter, a dynamic section and its needs. */
function program(interpreter: string, libraries: string[], versions: string[]): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  const u64 = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  const names = 2048;
  let free = names + 1;
  const put = (text: string) => {
    bytes.set(new TextEncoder().encode(text), free);
    free += text.length + 1;
    return free - text.length - 1;
  };
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2]);
  view.setUint16(18, 62, true);
  u64(32, 64); // one segment, 56 bytes
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 3, true);
  u64(64 + 8, put(interpreter));
  u64(40, 128); // three sections, 64 bytes each: names, dynamic, needs
  view.setUint16(58, 64, true);
  view.setUint16(60, 3, true);
  u64(128 + 24, names);
  view.setUint32(192 + 4, 6, true);
  u64(192 + 24, 512);
  u64(192 + 32, 16 * libraries.length);
  libraries.forEach((name, i) => {
    u64(512 + 16 * i, 1);
    u64(512 + 16 * i + 8, put(name) - names);
  });
  if (versions.length > 0) view.setUint32(256 + 4, 0x6ffffffe, true);
  u64(256 + 24, 1024);
  view.setUint16(1024 + 2, versions.length, true);
  view.setUint32(1024 + 8, 16, true);
  versions.forEach((name, i) => {
    view.setUint32(1040 + 16 * i + 8, put(name) - names, true);
    view.setUint32(1040 + 16 * i + 12, 16, true);
  });
  return bytes;
}

const GLIBC = "/lib64/ld-linux-x86-64.so.2";
const MUSL = "/lib/ld-musl-x86_64.so.1";

describe("unexpectedNeeds()", () => {
  const cases: [what: string, binary: Uint8Array, needs: RegExp[]][] = [
    ["glibc's parts", program(GLIBC, ["libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"], []), []],
    ["an old glibc", program(GLIBC, ["libc.so.6"], ["GLIBC_2.2.5", "GLIBC_2.17"]), []],
    ["a newer glibc", program(GLIBC, ["libc.so.6"], ["GLIBC_2.2.5", "GLIBC_2.34"]), [
      /^GLIBC_2\.34/,
    ]],
    ["libstdc++ on musl", program(MUSL, ["libstdc++.so.6", "libc.musl-x86_64.so.1"], []), []],
    ["libstdc++ on glibc", program(GLIBC, ["libstdc++.so.6"], []), [/the library libstdc/]],
    ["another library", program(MUSL, ["libz.so.1"], []), [/the library libz\.so\.1/]],
    ["its interface", program(GLIBC, ["libc.so.6"], ["GLIBCXX_3.4.30"]), [/^GLIBCXX_3\.4\.30/]],
  ];
  for (const [what, binary, needs] of cases) {
    it(`${needs.length === 0 ? "allows" : "names"} ${what}`, () => {
      const found = unexpectedNeeds(binary);
      assert.equal(found.length, needs.length, found.join());
      needs.forEach((pattern, i) => assert.match(found[i] ?? "", pattern));
    });
  }

  it("reads a real program", () => {
    const elf = new Elf(readFileSync(process.execPath));
    assert.ok(elf.libraries().some((name) => /^libc\./.test(name)), elf.libraries().join());
    assert.ok(elf.versions().every((version) => /^[A-Z]+_[\d.]+$/.test(version)));
  });
});
