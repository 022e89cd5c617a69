/** Numbers of the calls that a server gets, awaits and ends connections with, by architecture; -1 = none. */
type ByArch = Readonly<Record<"x64" | "arm64", number>>;

export const SYS_ACCEPT: ByArch = { x64: 43, arm64: 202 };
export const SYS_ACCEPT4: ByArch = { x64: 288, arm64: 242 };
export const SYS_SHUTDOWN: ByArch = { x64: 48, arm64: 210 };
export const SYS_POLL: ByArch = { x64: 7, arm64: -1 };
export const SYS_PPOLL: ByArch = { x64: 271, arm64: 73 };
export const SYS_SELECT: ByArch = { x64: 23, arm64: -1 };
export const SYS_PSELECT6: ByArch = { x64: 270, arm64: 72 };
