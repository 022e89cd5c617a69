/**
 * The most workers of one generation. The programs that choose among them, the descriptors that baton holds for them,
 * and what is read of them in /proc grow with their number.
 */
export const MAX_WORKERS = 64;
