/** Runs the list of calls in the file that its first argument names, in this process. */
import process from "node:process";
import { runCalls } from "../../src/platform/program/run_calls.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { testPlatform } from "./test_platform.ts";

const platform = await testPlatform();
runCalls(platform.libc, platform.descriptors.open(process.argv[2] ?? "", C.O_RDONLY));
