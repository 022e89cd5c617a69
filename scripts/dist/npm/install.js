"use strict";
// Puts the program itself in the place of bin/baton, so that no Node process stays in front of it. Where that cannot be
// done (--ignore-scripts, another user's folder) bin/baton stays as it is, and starts the program.
const { copyFileSync, linkSync, renameSync, rmSync } = require("node:fs");
const { join } = require("node:path");
const { programPath } = require("./lib/program.js");

/** Yarn's and pnpm's own starters have read the first line of bin/baton before: it must stay a script. */
function mustStayScript() {
  return /\b(?:yarn|pnpm)\//.test(process.env.npm_config_user_agent ?? "");
}

try {
  const program = programPath();
  if (!mustStayScript()) {
    const place = join(__dirname, "bin", "baton");
    const temporary = `${place}.new`;
    try {
      try {
        linkSync(program, temporary);
      } catch {
        copyFileSync(program, temporary);
      }
      renameSync(temporary, place);
    } catch {
      rmSync(temporary, { force: true });
    }
  }
} catch (error) {
  process.stderr.write(`baton: ${error.message}\n`);
  process.exitCode = 1;
}
