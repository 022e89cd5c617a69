/**
 * What a compiled baton may need to start: docs/kernels.md promises it. A new version of Bun, or a native module, could
 * bring more, which the machine that builds has.
 */
import { Elf, type Libc } from "./elf.ts";

/** Beside the C library itself, under the names that glibc has had for its parts. */
const LIBRARIES: Readonly<Record<Libc, RegExp>> = {
  glibc: /^(?:libc\.so\.6|ld-linux-[\w-]+\.so\.[12]|lib(?:pthread|dl)\.so\.[02]|libm\.so\.6)$/,
  musl: /^(?:libc\.musl-\w+\.so\.1|libstdc\+\+\.so\.6)$/,
};
/** A version of 2012: older than any system with Linux 5.9. */
const NEWEST_GLIBC = [2, 17] as const;

/** @returns what is more than was promised, in words; empty = nothing */
export function unexpectedNeeds(binary: Uint8Array): string[] {
  const elf = new Elf(binary);
  const libc = elf.libc();
  const libraries = elf.libraries().filter((name) => !LIBRARIES[libc].test(name));
  const versions = elf.versions().filter((version) => !isPromised(version));
  return [
    ...libraries.map((name) => `the library ${name}`),
    ...versions.map((version) => `${version} (promised: GLIBC_${NEWEST_GLIBC.join(".")})`),
  ];
}

function isPromised(version: string): boolean {
  const [, major, minor] = /^GLIBC_(\d+)\.(\d+)/.exec(version) ?? [];
  const [newest, newestMinor] = NEWEST_GLIBC;
  return Number(major) === newest && Number(minor) <= newestMinor;
}
