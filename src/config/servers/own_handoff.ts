/**
 * Servers that pass their listening sockets to their successor themselves, and how each is kept from it
 * (docs/handoff.md). Pure.
 */
const CURES: readonly (readonly [program: RegExp, cure: string])[] = [
  [
    /^envoy/,
    "start Envoy with --disable-hot-restart, and without --restart-epoch (a start script of hot-restarter.py: by " +
    "baton hot-restarter --safe)",
  ],
  [/^haproxy/, "start HAProxy without -x, -sf and -st"],
  [
    /^(nginx|openresty|angie|freenginx|tengine)/,
    "start nginx itself, and without the variable NGINX",
  ],
  [
    /^(unicorn|gunicorn)/,
    "start the server itself, and without UNICORN_FD, LISTEN_FDS or GUNICORN_FD",
  ],
];

const ANY_CURE =
  "switch off what passes them (a graceful upgrade or hot restart of its own), so that each " +
  "generation opens its listeners itself";

/** @param programs of a candidate, the most telling first @returns what to change, as a part of a sentence */
export function ownHandoffCure(programs: readonly string[]): string {
  for (const program of programs) {
    const known = CURES.find(([pattern]) => pattern.test(program));
    if (known !== undefined) return known[1];
  }
  return ANY_CURE;
}
