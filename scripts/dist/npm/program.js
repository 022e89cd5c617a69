"use strict";
// Finds the program in the package of this processor and C library, of which npm has installed the one that fits.
const { existsSync } = require("node:fs");

function isMusl() {
  const report = process.report?.getReport();
  const { header } = typeof report === "string" ? JSON.parse(report) : report ?? {};
  return header !== undefined && header.glibcVersionRuntime === undefined;
}

/** @returns the names of the packages that could hold it, the best one first */
function packages(name, arch, musl) {
  const names = [`${name}-linux-${arch}`, `${name}-linux-${arch}-musl`];
  return musl ? names.reverse() : names;
}

function programPath() {
  const { name } = require("../package.json");
  const [own] = packages(name, process.arch, isMusl());
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) {
    throw new Error(
      `baton needs Linux on x64 or arm64, not ${process.platform} on ${process.arch}`,
    );
  }
  try {
    const path = require.resolve(`${own}/bin/baton`);
    if (existsSync(path)) return path;
  } catch {
    // Said below.
  }
  throw new Error(
    `Cannot find the package ${own}: install without --omit=optional and --no-optional, ` +
      "on the kind of machine that runs it",
  );
}

module.exports = { packages, programPath };
