/**
 * How long a test may take: none is a measure of speed. It ends one that hangs, and leaves room for a machine that has
 * ten times as much to do as it can.
 */
export const TEST_TIMEOUT_MS = 360_000;
