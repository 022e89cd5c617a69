/** What the build reads of a compiled program: its processor, C library, symbols, and what it needs to start. */

const HEADER_SIZE = 64;
const MACHINE_X64 = 62;
const MACHINE_ARM64 = 183;
const SEGMENT_LOAD = 1;
const SEGMENT_INTERPRETER = 3;
const SECTION_DYNSYM = 11;
const SYMBOL_SIZE = 24;
const SECTION_DYNAMIC = 6;
const SECTION_VERSION_NEEDS = 0x6ffffffe;
const DYNAMIC_SIZE = 16;
const NEEDED = 1;

export type Libc = "glibc" | "musl";
export type Arch = "x64" | "arm64";

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

export class Elf {
  readonly view: DataView;
  readonly segments: readonly Segment[];

  constructor(readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < HEADER_SIZE || this.u32(0) !== 0x464c457f || bytes[4] !== 2) {
      throw new Error("it is no 64-bit ELF file");
    }
    this.segments = this.#table(32, 54).map((at) => ({
      type: this.u32(at),
      offset: this.u64(at + 8),
      address: this.u64(at + 16),
      size: this.u64(at + 32),
    }));
  }

  u16 = (at: number) => this.view.getUint16(at, true);
  u32 = (at: number) => this.view.getUint32(at, true);
  u64 = (at: number) => Number(this.view.getBigUint64(at, true));

  /** Where the entries of a header table are. */
  #table(offsetAt: number, sizeAt: number): number[] {
    const [offset, size, count] = [this.u64(offsetAt), this.u16(sizeAt), this.u16(sizeAt + 2)];
    return Array.from({ length: count }, (_, index) => offset + index * size);
  }

  text(at: number): string {
    return new TextDecoder("latin1").decode(this.bytes.subarray(at, this.bytes.indexOf(0, at)));
  }

  arch(): Arch {
    const machine = this.u16(18);
    if (machine !== MACHINE_X64 && machine !== MACHINE_ARM64) {
      throw new Error(`machine ${machine} is not known here`);
    }
    return machine === MACHINE_X64 ? "x64" : "arm64";
  }

  libc(): Libc {
    const interpreter = this.segments.find(({ type }) => type === SEGMENT_INTERPRETER);
    if (interpreter === undefined) throw new Error("it is linked statically");
    return this.text(interpreter.offset).includes("musl") ? "musl" : "glibc";
  }

  /** Address and size of a dynamic symbol. */
  symbol(name: string): { address: number; size: number } {
    const symbols = this.#section(SECTION_DYNSYM);
    if (symbols === null) throw new Error("it has no dynamic symbols");
    for (const at of symbols.entries(SYMBOL_SIZE)) {
      if (this.text(symbols.names + this.u32(at)) !== name) continue;
      return { address: this.u64(at + 8), size: this.u64(at + 16) };
    }
    throw new Error(`it has no function ${name}`);
  }

  offsetOf(address: number): number {
    const segment = this.segments.find(({ type, address: start, size }) =>
      type === SEGMENT_LOAD && address >= start && address < start + size
    );
    if (segment === undefined) throw new Error(`address ${address} is not in the file`);
    return segment.offset + address - segment.address;
  }

  /** The libraries that the program names itself; each may name more. */
  libraries(): string[] {
    const dynamic = this.#section(SECTION_DYNAMIC);
    if (dynamic === null) return [];
    return dynamic.entries(DYNAMIC_SIZE).filter((at) => this.u64(at) === NEEDED)
      .map((at) => this.text(dynamic.names + this.u64(at + 8)));
  }

  /** The versions of library interfaces that it asks for: "GLIBC_2.17". */
  versions(): string[] {
    const needs = this.#section(SECTION_VERSION_NEEDS);
    if (needs === null) return [];
    const names: string[] = [];
    for (let file = needs.offset;;) {
      // Elfxx_Verneed: version u16, cnt u16, file u32, aux u32, next u32; then Elfxx_Vernaux, name at 8, next at 12.
      let need = file + this.u32(file + 8);
      for (let left = this.u16(file + 2); left > 0; left--) {
        names.push(this.text(needs.names + this.u32(need + 8)));
        need += this.u32(need + 12);
      }
      if (this.u32(file + 12) === 0) return [...new Set(names)];
      file += this.u32(file + 12);
    }
  }

  #section(type: number) {
    const sections = this.#table(40, 58);
    const at = sections.find((each) => this.u32(each + 4) === type);
    if (at === undefined) return null;
    const [offset, size] = [this.u64(at + 24), this.u64(at + 32)];
    return {
      offset,
      names: this.u64(sections[this.u32(at + 40)]! + 24),
      entries: (each: number) =>
        Array.from({ length: Math.floor(size / each) }, (_, index) => offset + index * each),
    };
  }
}
