/**
 * Encoder of the classic BPF programs that choose a member of a SO_REUSEPORT group
 * (SO_ATTACH_REUSEPORT_CBPF, socket(7)): a choice in, `struct sock_filter[]` out.
 *
 * Guarantees: every program ends on every path in a return of one of the choice's own indices,
 * passes the kernel's checks (bpf_check_classic, net/core/filter.c) and has at most 4096
 * instructions. A packet that a probe's test cannot read is never given to the candidate.
 *
 * What the kernel does with it (net/core/sock_reuseport.c, run_bpf_filter):
 * - it runs for a packet that belongs to no connection and no handshake under way: a SYN, or an ACK
 *   that carries a SYN cookie. Another program never moves a handshake that has begun.
 * - an index that is not below the number of members is ignored, and the *hash* chooses among all of
 *   them; no index stands for "refuse". A stale index can become valid again by the next `listen`.
 * - a load outside the packet ends the program with 0, that is: member 0. IPv4, IPv6 and TCP headers
 *   are always in reach at this point, so the loads below do not fail.
 * - offset 0 is behind the TCP header; only SKF_NET_OFF reaches back, to the IP header: of IPv4 also
 *   for an IPv4 packet to a dual-stack IPv6 socket. The version nibble distinguishes them.
 * - `ldxb 4*([k]&0xf)` works with SKF_NET_OFF: the kernel makes an ordinary byte load of it
 *   (bpf_convert_filter, case BPF_LDX | BPF_MSH | BPF_B).
 *
 * A long program can also be refused with ENOMEM: translated it must fit net.core.optmem_max
 * (sk_reuseport_attach_filter). 128 KiB (Linux 6.7 on) hold every program made here; 20 KiB (before)
 * hold a spread over 846 members of which no two are neighbours [measured].
 */

import {
  ADD_K,
  type Instruction,
  IPV4_SOURCE,
  IPV6_NEXT_HEADER,
  IPV6_PAYLOAD,
  IPV6_SOURCE,
  JA,
  JEQ_K,
  JGE_K,
  LD_B_ABS,
  LD_H_ABS,
  LD_H_IND,
  LD_W_ABS,
  LDX_B_MSH,
  MOD_K,
  NETWORK_HEADER,
  NEXT_HEADER_TCP,
  op,
  RET_A,
  RET_K,
  RSH_K,
} from "./bpf_codes.ts";
import { byProcessor, FLOW_HASH, RANDOM_DRAW } from "./spread/draws.ts";

/** Who gets the new connections of a group, in indices of the kernel's array (`kernel_array.ts`), each listed once. */
export interface MemberChoice {
  /** Each has the same chance. By processor their order counts: the first one has processor 0. */
  readonly receiving: readonly number[];
  /**
   * `random` (the default): drawn for each packet that the program sees, which for TCP is one of each connection.
   * `flow`: from the packet's source, so that all datagrams of one client's port meet the same member.
   * By processor: member i of n has the packets that come in on processor i modulo n; a share of all is drawn at random.
   */
  readonly draw?: Draw;
  /** A part of the new connections for a candidate, in steps of 0.01 %; without members: none. */
  readonly share?: { readonly percent: number; readonly members: readonly number[] } | null;
  /** Connections from this port and address are our own, and for these members; without members: none. */
  readonly probe?: ProbeChoice | null;
}

/** `processors`: how many there are for the members. */
export type Draw = "random" | "flow" | { readonly processors: number };

interface ProbeChoice {
  readonly port: number;
  /** In network byte order, 4 or 16 bytes. A probe of an IPv4 address has 4, also at a dual-stack socket. */
  readonly address: Uint8Array;
  readonly members: readonly number[];
}

/** BPF_MAXINSNS, linux/bpf_common.h: the kernel refuses a longer program with EINVAL. */
export const MAX_INSTRUCTIONS = 4096;

/** Indices are below this: the kernel counts the members of a group in 16 bits (`num_socks`). */
const INDEX_LIMIT = 65536;

const INSTRUCTION_BYTES = 8;

const SHARE_STEPS_PER_PERCENT = 100;
const MAX_JUMP = 255;

/** `A == k` must hold: a packet for which it does not belongs to the others. */
type Guard = { readonly mustEqual: number };

/** The encoded program of a choice. @throws {RangeError} see `assemble` */
export function programFor(choice: MemberChoice): Uint8Array {
  return encode(assemble(choice));
}

/**
 * @throws {RangeError} when an index is not an integer from 0 to 65535 or is listed twice, when
 * there is nothing to choose from, when a port, address or percentage is not one, or when the program
 * gets longer than 4096 instructions.
 */
export function assemble({ receiving, share, probe, draw }: MemberChoice): Instruction[] {
  const drawn = draw === "flow" ? FLOW_HASH : RANDOM_DRAW;
  const spread = (members: readonly number[]) =>
    typeof draw === "object"
      ? spreadBy(byProcessor(draw.processors, members.length), checkedIndices(members))
      : spreadBy(drawn, checkedIndices(members).sort((a, b) => a - b));
  const others = share && share.members.length > 0
    ? shared(drawn, share.percent, spread(share.members), spread(receiving))
    : spread(receiving);
  const program = probe && probe.members.length > 0
    ? probed(probe, spread(probe.members), others)
    : others;
  if (program.length > MAX_INSTRUCTIONS) {
    const wanted = `the kernel accepts at most ${MAX_INSTRUCTIONS}`;
    throw new RangeError(`Cannot assemble ${program.length} instructions: ${wanted}`);
  }
  return program;
}

/** `struct sock_filter[]`: u16 code, u8 jt, u8 jf, u32 k, little endian (x64 and arm64 are). */
export function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  instructions.forEach(({ code, jt, jf, k }, i) => {
    const at = i * INSTRUCTION_BYTES;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jt);
    view.setUint8(at + 3, jf);
    view.setUint32(at + 4, k, true);
  });
  return bytes;
}

/** At 0 and 100 percent nothing is drawn. */
function shared(
  drawn: readonly Instruction[],
  percent: number,
  members: Instruction[],
  others: Instruction[],
): Instruction[] {
  if (!(percent >= 0 && percent <= 100)) {
    throw new RangeError(`Cannot share ${percent} %: 'percent' must be from 0 to 100`);
  }
  const steps = Math.round(percent * SHARE_STEPS_PER_PERCENT);
  if (steps === 0) return others;
  if (steps === 100 * SHARE_STEPS_PER_PERCENT) return members;
  return [
    ...drawn,
    op(MOD_K, 100 * SHARE_STEPS_PER_PERCENT),
    ...branch(steps, others, members),
  ];
}

/** Tests, then `ja` to the others, then the candidate: the tests' own jumps stay short. */
function probed(
  probe: ProbeChoice,
  candidate: Instruction[],
  others: Instruction[],
): Instruction[] {
  const tests = probeTests(probe);
  const resolved = tests.map((step, i): Instruction => {
    if (!("mustEqual" in step)) return step;
    const toOthers = tests.length - 1 - i;
    const onwards = toOthers === 0 ? 1 : 0; // the last test steps over the `ja`
    return { code: JEQ_K, jt: onwards, jf: toOthers, k: step.mustEqual };
  });
  return [...resolved, op(JA, candidate.length), ...candidate, ...others];
}

function probeTests({ port, address }: ProbeChoice): (Instruction | Guard)[] {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new RangeError(`Cannot probe from port ${port}: it must be from 1 to 65535`);
  }
  const version = [op(LD_B_ABS, NETWORK_HEADER), op(RSH_K, 4)];
  switch (address.length) {
    case 4:
      return [
        ...version,
        { mustEqual: 4 },
        ...addressTests(IPV4_SOURCE, address),
        op(LDX_B_MSH, NETWORK_HEADER),
        op(LD_H_IND, NETWORK_HEADER),
        { mustEqual: port },
      ];
    case 16:
      return [
        ...version,
        { mustEqual: 6 },
        op(LD_B_ABS, IPV6_NEXT_HEADER),
        { mustEqual: NEXT_HEADER_TCP }, // our probe sends no extension header
        ...addressTests(IPV6_SOURCE, address),
        op(LD_H_ABS, IPV6_PAYLOAD),
        { mustEqual: port },
      ];
    default:
      throw new RangeError(
        `Cannot probe from an address of ${address.length} bytes: it must have 4 or 16`,
      );
  }
}

function addressTests(offset: number, address: Uint8Array): (Instruction | Guard)[] {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  const tests: (Instruction | Guard)[] = [];
  for (let i = 0; i < address.length; i += 4) {
    tests.push(op(LD_W_ABS, offset + i), { mustEqual: view.getUint32(i) });
  }
  return tests;
}

/** `drawn mod n` is a place in the list; places whose indices follow each other are a run. */
function spreadBy(drawn: readonly Instruction[], indices: readonly number[]): Instruction[] {
  const runs: Run[] = [];
  indices.forEach((index, place) => {
    const run = runs.at(-1);
    if (run !== undefined && index === run.index + (place - run.place)) run.length++;
    else runs.push({ place, index, length: 1 });
  });
  const table = searchTree(runs);
  if (indices.length === 1) return table;
  return [...drawn, op(MOD_K, indices.length), ...table];
}

type Run = { readonly place: number; readonly index: number; length: number };

/** Binary search, so that a packet meets at most log2(runs) comparisons. */
function searchTree(runs: readonly Run[]): Instruction[] {
  const half = runs.length >> 1;
  const middle = runs[half]!;
  if (runs.length === 1) return leaf(middle);
  return branch(middle.place, searchTree(runs.slice(half)), searchTree(runs.slice(0, half)));
}

function leaf({ place, index, length }: Run): Instruction[] {
  if (length === 1) return [op(RET_K, index)];
  const shift = (index - place) >>> 0; // of 32 bits, which wrap around: in the order of workers it may be negative
  return shift === 0 ? [op(RET_A, 0)] : [op(ADD_K, shift), op(RET_A, 0)];
}

/** `A >= k ? atLeast : below`, with a `ja` where `below` is longer than a conditional jump reaches. */
function branch(k: number, atLeast: Instruction[], below: Instruction[]): Instruction[] {
  return below.length <= MAX_JUMP
    ? [{ code: JGE_K, jt: below.length, jf: 0, k }, ...below, ...atLeast]
    : [{ code: JGE_K, jt: 0, jf: 1, k }, op(JA, below.length), ...below, ...atLeast];
}

function checkedIndices(indices: readonly number[]): number[] {
  if (indices.length === 0) throw new RangeError("Cannot choose a member: no index is listed");
  const seen = new Set<number>();
  for (const index of indices) {
    if (!Number.isInteger(index) || index < 0 || index >= INDEX_LIMIT) {
      throw new RangeError(`Cannot choose index ${index}: it must be an integer from 0 to 65535`);
    }
    if (seen.has(index)) {
      throw new RangeError(`Cannot choose index ${index}: it is listed twice`);
    }
    seen.add(index);
  }
  return [...seen];
}
