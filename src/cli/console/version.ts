/** The version of this baton; scripts/build.ts checks that deno.json has the same. */
export const VERSION = "0.1.0";
