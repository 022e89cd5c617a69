#!/usr/bin/env node
"use strict";
// Starts the program, where the installation could not put it here: see install.js. From Node 22.15 on it takes Node's place.
// Before, Node stays in front of it: signals are passed on, and its end is that of the program.
const { spawn } = require("node:child_process");
const { constants } = require("node:os");
const { programPath } = require("../lib/program.js");

const EXIT_SYSTEM = 71;
const PASSED_ON = ["HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "TTIN", "TTOU", "WINCH"];

function fail(message) {
  process.stderr.write(`baton: ${message}\n`);
  process.exit(EXIT_SYSTEM);
}

function stayInFront(path, words) {
  const child = spawn(path, words, { stdio: "inherit" });
  for (const name of PASSED_ON) process.on(`SIG${name}`, () => child.kill(`SIG${name}`));
  child.on("error", (error) => fail(`Cannot start ${path}: ${error.message}`));
  child.on("exit", (status, signal) => {
    if (signal === null) process.exit(status);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    process.exit(128 + constants.signals[signal]);
  });
}

try {
  const path = programPath();
  const words = process.argv.slice(2);
  if (typeof process.execve === "function") process.execve(path, [path, ...words], process.env);
  else stayInFront(path, words);
} catch (error) {
  fail(error.message);
}
