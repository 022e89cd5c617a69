/**
 * A shared object of a few functions, as dlopen(3) loads it: header, symbols and code in a segment that is executed, and
 * the dynamic section in one that is written to, as glibc does when it loads it. Pure. elf(5)
 */
import type { Runtime } from "../runtime/runtime.ts";

const MACHINES = { x64: 62, arm64: 183 } as const;
const MAGIC = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1];
const TYPE_SHARED = 3;
const HEADER_SIZE = 64;
const SEGMENT_SIZE = 56;
const [LOAD, DYNAMIC, STACK] = [1, 2, 0x6474e551];
const [EXECUTE, WRITE, READ] = [1, 2, 4];
const SYMBOL_SIZE = 24;
/** Kind of a symbol: a function that others may call. */
const GLOBAL_FUNCTION = 0x12;
/** Section of a symbol: any but "undefined" will do, because there are no section headers. */
const SOME_SECTION = 1;
const [DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT] = [4, 5, 6, 10, 11];
/** The largest page of arm64. */
const PAGE = 0x1_0000;
const CODE_ALIGNMENT = 16;

/** @returns the file. Everything is where it is in memory, too. */
export function sharedObject(
  arch: Runtime["arch"],
  functions: ReadonlyMap<string, Uint8Array>,
): Uint8Array {
  const names = [...functions.keys()];
  const text = new TextEncoder().encode(`\0${names.map((name) => `${name}\0`).join("")}`);
  const count = names.length + 1; // The first symbol is none.
  const place = placing(HEADER_SIZE + 4 * SEGMENT_SIZE);
  const hashAt = place(4 * (2 + 1 + count));
  const symbolsAt = place(SYMBOL_SIZE * count);
  const textAt = place(text.length);
  const codeAt = [...functions.values()].map((code) => place(code.length));
  const end = place(0);
  if (end > PAGE) throw new RangeError(`Cannot place ${names.length} functions in one page`);
  const dynamic = [
    [DT_HASH, hashAt],
    [DT_STRTAB, textAt],
    [DT_SYMTAB, symbolsAt],
    [DT_STRSZ, text.length],
    [DT_SYMENT, SYMBOL_SIZE],
    [0, 0],
  ].flat();
  const file = new Uint8Array(PAGE + 8 * dynamic.length);
  const view = new DataView(file.buffer);
  const long = (at: number, value: number) => view.setBigUint64(at, BigInt(value), true);
  file.set(MAGIC);
  view.setUint16(16, TYPE_SHARED, true);
  view.setUint16(18, MACHINES[arch], true);
  view.setUint32(20, 1, true);
  long(32, HEADER_SIZE);
  view.setUint16(52, HEADER_SIZE, true);
  view.setUint16(54, SEGMENT_SIZE, true);
  const ofDynamic = { flags: READ | WRITE, at: PAGE, size: 8 * dynamic.length };
  const segments = [
    { type: LOAD, flags: READ | EXECUTE, at: 0, size: end, alignment: PAGE },
    { type: LOAD, ...ofDynamic, alignment: PAGE },
    { type: DYNAMIC, ...ofDynamic, alignment: 8 },
    // Without this header the stack would become executable.
    { type: STACK, flags: READ | WRITE, at: 0, size: 0, alignment: 16 },
  ];
  view.setUint16(56, segments.length, true);
  segments.forEach(({ type, flags, at, size, alignment }, i) => {
    const header = HEADER_SIZE + i * SEGMENT_SIZE;
    view.setUint32(header, type, true);
    view.setUint32(header + 4, flags, true);
    [at, at, at, size, size, alignment].forEach((value, n) => long(header + 8 + 8 * n, value));
  });
  // One bucket: a chain of all symbols, which is looked through by name.
  [1, count, 1].forEach((value, i) => view.setUint32(hashAt + 4 * i, value, true));
  let nameAt = 1;
  names.forEach((name, i) => {
    const [symbol, code] = [i + 1, functions.get(name)!];
    view.setUint32(hashAt + 4 * (3 + symbol), symbol + 1 < count ? symbol + 1 : 0, true);
    const at = symbolsAt + SYMBOL_SIZE * symbol;
    view.setUint32(at, nameAt, true);
    view.setUint8(at + 4, GLOBAL_FUNCTION);
    view.setUint16(at + 6, SOME_SECTION, true);
    long(at + 8, codeAt[i]!);
    long(at + 16, code.length);
    file.set(code, codeAt[i]!);
    nameAt += name.length + 1;
  });
  file.set(text, textAt);
  dynamic.forEach((value, i) => long(PAGE + 8 * i, value));
  return file;
}

/** @returns gives the next place for so many bytes */
function placing(start: number): (size: number) => number {
  let next = start;
  return (size) => {
    const at = Math.ceil(next / CODE_ALIGNMENT) * CODE_ALIGNMENT;
    next = at + size;
    return at;
  };
}
