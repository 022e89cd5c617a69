/**
 * An environment as a record of variables, out of what execve(2) passes, which is any list of strings, and back.
 *
 * Nothing of it is lost: a string without "=", and a further one of a name that was there before, are kept under a
 * key with a NUL in it, which no name can have; their value is the whole string. The first one counts, as for
 * getenv(3). Pure.
 */
type Environment = Readonly<Record<string, string>>;

const ODD = "\0";

/** @param strings NAME=VALUE, as in `environ` */
export function parseEnvironment(strings: readonly string[]): Record<string, string> {
  const env = new Map<string, string>();
  strings.forEach((entry, index) => {
    // A name may begin with "=" on no system, and be empty on all.
    const at = entry.indexOf("=");
    const name = entry.slice(0, Math.max(at, 0));
    if (at < 0 || env.has(name)) env.set(`${name}${ODD}${index}`, entry);
    else env.set(name, entry.slice(at + 1));
  });
  // The record is not made by assignment: __proto__ is a name like any other.
  return Object.fromEntries(env);
}

/** @returns NAME=VALUE for execve(2) */
export function environmentStrings(env: Environment): string[] {
  return Object.entries(env).flatMap(([key, value]) => {
    const odd = key.indexOf(ODD);
    if (odd < 0) return [`${key}=${value}`];
    // Where the variable was taken away its other strings must not take its place.
    return odd === 0 || Object.hasOwn(env, key.slice(0, odd)) ? [value] : [];
  });
}

/** @returns `env` without further strings of the variables that it has from somewhere else than from `given` */
export function withoutStale(env: Environment, given: Environment): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(([key]) => {
      const odd = key.indexOf(ODD);
      if (odd <= 0) return true;
      const name = key.slice(0, odd);
      return Object.hasOwn(env, name) && env[name] === given[name];
    }),
  );
}

/**
 * Whether a parsed JSON value is an environment. A record schema of valibot would drop a variable with the name
 * __proto__.
 */
export function isEnvironment(value: unknown): value is Environment {
  return typeof value === "object" && value !== null &&
    Object.values(value).every((each) => typeof each === "string");
}
