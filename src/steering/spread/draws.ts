/** How a program draws a number for a packet, of which it takes the remainder: in classic BPF. Pure. */
import {
  ADD_X,
  type Instruction,
  IPV4_SOURCE,
  IPV6_PAYLOAD,
  IPV6_SOURCE_END,
  JA,
  JEQ_K,
  LD_B_ABS,
  LD_H_ABS,
  LD_H_IND,
  LD_W_ABS,
  LDX_B_MSH,
  MOD_K,
  MUL_K,
  NETWORK_HEADER,
  op,
  PROCESSOR,
  RANDOM,
  RSH_K,
  TAX,
  XOR_X,
} from "../bpf_codes.ts";

/** Each member has the same chance. */
export const RANDOM_DRAW: readonly Instruction[] = [op(LD_W_ABS, RANDOM)];

/**
 * The processor that the packet came in on (raw_smp_processor_id() of the soft interrupt). On loopback that is the client's
 * own; of a network card, the one of its queue's interrupt, or of RPS. Where there are more members than processors, each
 * processor has several, and a random number chooses among these.
 */
export function byProcessor(processors: number, members: number): readonly Instruction[] {
  if (members <= processors) return [op(LD_W_ABS, PROCESSOR)];
  const rounds = Math.ceil(members / processors);
  return [
    ...RANDOM_DRAW,
    op(MOD_K, rounds),
    op(MUL_K, processors),
    op(TAX, 0),
    op(LD_W_ABS, PROCESSOR),
    op(ADD_X, 0),
  ];
}

/**
 * A hash of 24 bits of the source address and port, and nothing else: of IPv6 the last four bytes of the address.
 * Multiplying by 2^32 over the golden ratio spreads ports that follow each other evenly (Knuth, TAOCP 6.4).
 */
export const FLOW_HASH: readonly Instruction[] = [
  op(LD_B_ABS, NETWORK_HEADER),
  op(RSH_K, 4),
  { code: JEQ_K, jt: 5, jf: 0, k: 6 },
  op(LDX_B_MSH, NETWORK_HEADER),
  op(LD_H_IND, NETWORK_HEADER),
  op(TAX, 0),
  op(LD_W_ABS, IPV4_SOURCE),
  op(JA, 3),
  op(LD_H_ABS, IPV6_PAYLOAD),
  op(TAX, 0),
  op(LD_W_ABS, IPV6_SOURCE_END),
  op(XOR_X, 0),
  op(MUL_K, 0x9e3779b1),
  op(RSH_K, 8),
];
