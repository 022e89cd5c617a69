/**
 * An interpreter of classic BPF for tests: what the kernel would answer for a program and a packet.
 *
 * Guarantees: reads the encoded bytes (not the encoder's objects), refuses what the kernel refuses
 * when a program is attached (bpf_check_classic, net/core/filter.c), and ends with 0 on a load
 * outside the packet, as the kernel does. Its numbers are a second copy of those in linux/bpf_common.h
 * and linux/filter.h, so that a wrong one in `src/steering/bpf_program.ts` is noticed.
 * Does not do: stores, SKF_LL_OFF, extensions other than RANDOM and CPU: `run` throws on them.
 */

/** A packet at the listener lookup of the kernel. */
export interface Packet {
  readonly bytes: Uint8Array;
  /** Where SKF_NET_OFF points: the first byte of the IP header. */
  readonly networkOffset: number;
  /** Where offset 0 points: behind the TCP header (run_bpf_filter pulls it). */
  readonly dataOffset: number;
  /** That it comes in on; by default 0. */
  readonly processor?: number;
}

/** What a SYN made by `syn` looks like. */
export interface SynOptions {
  readonly version: 4 | 6;
  readonly sourcePort: number;
  /** 4 or 16 bytes; loopback by default. */
  readonly source?: Uint8Array;
  /** IPv4 options, a multiple of 4 bytes; or IPv6 extension headers, the first of type `nextHeader`. */
  readonly options?: Uint8Array;
  readonly nextHeader?: number;
  /** Bytes before the IP header, as a link layer has: they show that offsets are relative. */
  readonly linkHeader?: number;
  readonly processor?: number;
}

interface Decoded {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

const MAX_INSNS = 4096;
const SKF_AD_OFF = -0x1000;
const SKF_AD_CPU = 36;
const SKF_AD_RANDOM = 56;
const EXTENSIONS = [SKF_AD_CPU, SKF_AD_RANDOM].map((each) => (SKF_AD_OFF + each) >>> 0);
const SKF_NET_OFF = -0x100000;
const TCP_HEADER = 20;
const IPPROTO_TCP = 6;

const IPV4_LOOPBACK = Uint8Array.of(127, 0, 0, 1);
const IPV6_LOOPBACK = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

/** A SYN with an IPv4 or IPv6 header, valid as far as a program can look at it. */
export function syn(wanted: SynOptions): Packet {
  const { version, options = new Uint8Array(0), linkHeader = 14 } = wanted;
  const source = wanted.source ?? (version === 4 ? IPV4_LOOPBACK : IPV6_LOOPBACK);
  const ip = new Uint8Array((version === 4 ? 20 : 40) + options.length);
  if (version === 4) {
    ip[0] = 0x40 | (ip.length / 4);
    ip[9] = IPPROTO_TCP;
    ip.set(source, 12);
    ip.set(IPV4_LOOPBACK, 16);
    ip.set(options, 20);
  } else {
    ip[0] = 0x60;
    ip[6] = wanted.nextHeader ?? IPPROTO_TCP;
    ip.set(source, 8);
    ip.set(IPV6_LOOPBACK, 24);
    ip.set(options, 40);
  }
  const bytes = new Uint8Array(linkHeader + ip.length + TCP_HEADER).fill(0xee);
  bytes.set(ip, linkHeader);
  new DataView(bytes.buffer).setUint16(linkHeader + ip.length, wanted.sourcePort);
  const { processor = 0 } = wanted;
  return { bytes, networkOffset: linkHeader, dataOffset: bytes.length, processor };
}

/**
 * Runs an encoded program once.
 *
 * @param random What the RANDOM extension gives, an unsigned 32 bit number for each call.
 * @returns The program's 32 bit result.
 * @throws {Error} when the kernel would not have attached the program.
 */
export function run(program: Uint8Array, packet: Packet, random: () => number): number {
  return execute(check(program), packet, random).result;
}

/** Like `run`, and the number of instructions executed. */
export function trace(
  program: Uint8Array,
  packet: Packet,
  random: () => number,
): { result: number; steps: number } {
  return execute(check(program), packet, random);
}

/** bpf_check_classic: what setsockopt(2) answers EINVAL to, for the codes known here. */
export function check(program: Uint8Array): Decoded[] {
  const length = program.length / 8;
  if (!Number.isInteger(length) || length < 1 || length > MAX_INSNS) {
    throw new Error(`EINVAL: ${program.length} bytes are not 1 to ${MAX_INSNS} instructions`);
  }
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const decoded = Array.from({ length }, (_, i): Decoded => ({
    code: view.getUint16(i * 8, true),
    jt: view.getUint8(i * 8 + 2),
    jf: view.getUint8(i * 8 + 3),
    k: view.getUint32(i * 8 + 4, true),
  }));
  decoded.forEach(({ code, jt, jf, k }, pc) => {
    const behind = length - pc - 1;
    if (code === 0x05 && k >= behind) throw new Error(`EINVAL: ja at ${pc} leaves the program`);
    if ((code & 0x07) === 0x05 && code !== 0x05 && Math.max(jt, jf) >= behind) {
      throw new Error(`EINVAL: jump at ${pc} leaves the program`);
    }
    if ((code === 0x94 || code === 0x34) && k === 0) throw new Error(`EINVAL: division at ${pc}`);
    if ((code === 0x64 || code === 0x74) && k >= 32) throw new Error(`EINVAL: shift at ${pc}`);
    const extension = k >= (SKF_AD_OFF >>> 0) && !EXTENSIONS.includes(k);
    if ((code === 0x20 || code === 0x28 || code === 0x30) && extension) {
      throw new Error(`EINVAL: unknown extension at ${pc}`);
    }
  });
  const last = decoded.at(-1)?.code;
  if (last !== 0x06 && last !== 0x16) throw new Error("EINVAL: the last instruction is no return");
  return decoded;
}

function execute(
  program: readonly Decoded[],
  packet: Packet,
  random: () => number,
): { result: number; steps: number } {
  let a = 0;
  let x = 0;
  let steps = 0;
  for (let pc = 0;; pc++) {
    const { code, jt, jf, k } = at(program, pc);
    steps++;
    switch (code) {
      case 0x20: // ld [k]
      case 0x28: // ldh [k]
      case 0x30: // ldb [k]
      case 0x40: // ld [x + k]
      case 0x48: // ldh [x + k]
      case 0x50: { // ldb [x + k]
        const offset = k | 0;
        if (code < 0x40 && offset === SKF_AD_OFF + SKF_AD_RANDOM) {
          a = random() >>> 0;
          break;
        }
        if (code < 0x40 && offset === SKF_AD_OFF + SKF_AD_CPU) {
          a = packet.processor ?? 0;
          break;
        }
        const size = { 0x00: 4, 0x08: 2, 0x10: 1 }[code & 0x18] ?? 0;
        const loaded = load(packet, code < 0x40 ? offset : (x + offset) | 0, size);
        if (loaded === null) return { result: 0, steps };
        a = loaded;
        break;
      }
      case 0xb1: { // ldxb 4 * ([k] & 0xf)
        const loaded = load(packet, k | 0, 1);
        if (loaded === null) return { result: 0, steps };
        x = (loaded & 0xf) * 4;
        break;
      }
      case 0x00: // ld #k
        a = k;
        break;
      case 0x01: // ldx #k
        x = k;
        break;
      case 0x07: // tax
        x = a;
        break;
      case 0x24: // mul #k
        a = Math.imul(a, k) >>> 0;
        break;
      case 0xac: // xor x
        a = (a ^ x) >>> 0;
        break;
      case 0x0c: // add x
        a = (a + x) >>> 0;
        break;
      case 0x04: // add #k
        a = (a + k) >>> 0;
        break;
      case 0x14: // sub #k
        a = (a - k) >>> 0;
        break;
      case 0x34: // div #k
        a = Math.floor(a / k);
        break;
      case 0x54: // and #k
        a = (a & k) >>> 0;
        break;
      case 0x64: // lsh #k
        a = (a << k) >>> 0;
        break;
      case 0x74: // rsh #k
        a = a >>> k;
        break;
      case 0x94: // mod #k
        a = a % k;
        break;
      case 0x05: // ja
        pc += k;
        break;
      case 0x15: // jeq
        pc += a === k ? jt : jf;
        break;
      case 0x25: // jgt
        pc += a > k ? jt : jf;
        break;
      case 0x35: // jge
        pc += a >= k ? jt : jf;
        break;
      case 0x45: // jset
        pc += (a & k) !== 0 ? jt : jf;
        break;
      case 0x06: // ret #k
        return { result: k, steps };
      case 0x16: // ret a
        return { result: a, steps };
      default:
        throw new Error(`code 0x${code.toString(16)} at ${pc} is not known here`);
    }
  }
}

/** bpf_skb_load_helper_*: big endian; null when the packet has no such bytes. */
function load(packet: Packet, offset: number, size: number): number | null {
  if (offset < SKF_NET_OFF) throw new Error(`offset ${offset} is not known here`);
  const start = offset < 0
    ? packet.networkOffset + (offset - SKF_NET_OFF)
    : packet.dataOffset + offset;
  if (start + size > packet.bytes.length) return null;
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (packet.bytes[start + i] ?? 0);
  return value;
}

function at(program: readonly Decoded[], pc: number): Decoded {
  const instruction = program[pc];
  if (instruction === undefined) throw new Error(`the program has no instruction ${pc}`);
  return instruction;
}
