/** Instructions of classic BPF, and what steering reads of a packet. */

/** `struct sock_filter` of linux/filter.h. */
export interface Instruction {
  readonly code: number;
  /** Instructions to skip when the condition holds, 0 to 255. */
  readonly jt: number;
  /** Instructions to skip when it does not, 0 to 255. */
  readonly jf: number;
  readonly k: number;
}

/** linux/bpf_common.h, each named as bpf_asm writes it. A is the accumulator, X the index. */
export const LD_W_ABS = 0x20;
export const LD_H_ABS = 0x28;
export const LD_B_ABS = 0x30;
export const LD_H_IND = 0x48;
export const LDX_B_MSH = 0xb1;
export const TAX = 0x07;
export const ADD_X = 0x0c;
export const ADD_K = 0x04;
export const MUL_K = 0x24;
export const XOR_X = 0xac;
export const RSH_K = 0x74;
export const MOD_K = 0x94;
export const JA = 0x05;
export const JEQ_K = 0x15;
export const JGE_K = 0x35;
export const RET_K = 0x06;
export const RET_A = 0x16;

/** linux/filter.h: SKF_NET_OFF, and SKF_AD_OFF + SKF_AD_CPU and + SKF_AD_RANDOM. */
export const NETWORK_HEADER = 0xfff00000;
export const PROCESSOR = 0xfffff000 + 36;
export const RANDOM = 0xfffff000 + 56;

/** RFC 791 and RFC 8200: where the fields are. */
export const IPV4_SOURCE = NETWORK_HEADER + 12;
export const IPV6_NEXT_HEADER = NETWORK_HEADER + 6;
export const IPV6_SOURCE = NETWORK_HEADER + 8;
export const IPV6_SOURCE_END = IPV6_SOURCE + 12;
export const IPV6_PAYLOAD = NETWORK_HEADER + 40;
export const NEXT_HEADER_TCP = 6;

export function op(code: number, k: number): Instruction {
  return { code, jt: 0, jf: 0, k };
}
