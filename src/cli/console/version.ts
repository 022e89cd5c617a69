/** The version of this baton; scripts/build.ts checks that it is the one in deno.json. */
export const VERSION = "0.1.0";
