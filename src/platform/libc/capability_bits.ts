/** Bits of the capabilities that baton asks about, <linux/capability.h>; capabilities(7). */
export const CAPABILITY = {
  CAP_NET_BIND_SERVICE: 10,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
} as const;
