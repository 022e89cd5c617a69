#!/usr/bin/env node
"use strict";
// Starts the program, where the installation could not put it here: see install.js. Node stays in front of it: signals
// are passed on, and its end is that of the program.
const { spawn } = require("node:child_process");
const { constants } = require("node:os");
const { programPath } = require("../lib/program.js");

const PASSED_ON = ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "TTIN", "TTOU", "WINCH"];

let path;
try {
  path = programPath();
} catch (error) {
  process.stderr.write(`baton: ${error.message}\n`);
  process.exit(71);
}
const child = spawn(path, process.argv.slice(2), { stdio: "inherit" });
for (const name of PASSED_ON) process.on(`SIG${name}`, () => child.kill(`SIG${name}`));
child.on("error", (error) => {
  process.stderr.write(`baton: Cannot start ${path}: ${error.message}\n`);
  process.exit(71);
});
child.on("exit", (status, signal) => {
  if (signal === null) process.exit(status);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  process.exit(128 + constants.signals[signal]);
});
