/** Signal names against the numbers of the running system. */
import {
  parseSignalName,
  parseStopSignals,
  SIGNAL_NAMES,
  type SignalName,
  signalName,
  signalNumber,
} from "../../../../src/config/values/signals.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UserError } from "../../../../src/config/values/errors.ts";

describe("signalNumber()", () => {
  it("knows 1 to 31, each once", () => {
    const numbers = SIGNAL_NAMES.map(signalNumber);
    assert.deepEqual(numbers, Array.from({ length: 31 }, (_, index) => index + 1));
  });

  it("knows those that baton sends and gets by the numbers of the kernel", () => {
    const numbers = ["SIGHUP", "SIGKILL", "SIGUSR1", "SIGTERM", "SIGCHLD", "SIGWINCH", "SIGSYS"];
    const names = numbers.map((name) => parseSignalName(name));
    assert.deepEqual(names.map(signalNumber), [1, 9, 10, 15, 17, 28, 31]);
  });

  it("throws a RangeError for a name that was never parsed", () => {
    assert.throws(() => signalNumber("SIGNOPE"), RangeError);
  });
});

describe("signalName()", () => {
  it("is the inverse of signalNumber(), and null elsewhere", () => {
    for (const name of SIGNAL_NAMES) assert.equal(signalName(signalNumber(name)), name);
    for (const number of [0, 32, 64, -1, 1.5]) assert.equal(signalName(number), null);
  });
});

describe("parseStopSignals()", () => {
  const valid: [texts: string[], names: SignalName[]][] = [
    [["WINCH"], ["SIGWINCH"]],
    [["usr1,SIGUSR2", " hup "], ["SIGUSR1", "SIGUSR2", "SIGHUP"]],
    [["RTMIN+3"], ["SIGRTMIN+3"]],
    [["SIGRTMIN+3,37,sigrtmax-27"], ["SIGRTMIN+3"]],
    [["RTMIN,RTMAX,RTMIN+30"], ["SIGRTMIN+0", "SIGRTMIN+30"]],
    [["34,64"], ["SIGRTMIN+0", "SIGRTMIN+30"]],
    [["TERM,15"], ["SIGTERM"]],
    [["28"], ["SIGWINCH"]],
  ];
  for (const [texts, names] of valid) {
    it(`reads ${JSON.stringify(texts)} as ${names.join(", ")}`, () => {
      assert.deepEqual(parseStopSignals(texts), names);
    });
  }

  const invalid: [text: string, message: RegExp, remedy: RegExp][] = [
    ["KILL", /SIGKILL: no program can handle it/, /STOPSIGNAL/],
    ["USR1,19", /SIGSTOP: no program can handle it/, /STOPSIGNAL/],
    ["CHLD", /a process has exited/, /STOPSIGNAL/],
    ["SIGPIPE", /a reader has closed its end/, /STOPSIGNAL/],
    ["SEGV", /a fault in baton itself/, /STOPSIGNAL/],
    ["PWR", /the runtime/, /STOPSIGNAL/],
    ["WINHC", /no signal has this name/, /Did you mean WINCH\?/],
    ["USR1,,USR2", /no signal has this name/, /name such as TERM/],
    ["RTMIN+31", /no such real-time signal/, /RTMIN\+0 to RTMIN\+30/],
    ["RTMIN-1", /no such real-time signal/, /RTMIN\+0 to RTMIN\+30/],
    ["RTMAX+1", /no such real-time signal/, /RTMIN\+0 to RTMIN\+30/],
    ["RTMIN+", /no such real-time signal/, /RTMIN\+0 to RTMIN\+30/],
    ["65", /no such real-time signal/, /34 to 64/],
    ["32", /numbers go from 1 to 31/, /name such as TERM/],
  ];
  for (const [text, message, remedy] of invalid) {
    it(`refuses "${text}" with advice`, () => {
      assert.throws(() => parseStopSignals([text]), (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, message);
        assert.match(error.remedy ?? "", remedy);
        return true;
      });
    });
  }

  it("gives names that have a number", () => {
    const numbers = parseStopSignals(["RTMIN,RTMIN+3,RTMAX,WINCH"]).map(signalNumber);
    assert.deepEqual(numbers, [34, 37, 64, 28]);
  });
});

describe("parseSignalName()", () => {
  const valid: [string, SignalName][] = [
    ["TERM", "SIGTERM"],
    ["SIGTERM", "SIGTERM"],
    ["sigterm", "SIGTERM"],
    ["term", "SIGTERM"],
    ["15", "SIGTERM"],
    [" QUIT ", "SIGQUIT"],
    ["WINCH", "SIGWINCH"],
    ["USR1", "SIGUSR1"],
    ["IOT", "SIGABRT"],
    ["SIGPOLL", "SIGIO"],
    ["CLD", "SIGCHLD"],
    ["SIGUNUSED", "SIGSYS"],
    ["1", "SIGHUP"],
    ["31", "SIGSYS"],
  ];
  for (const [text, name] of valid) {
    it(`reads "${text}" as ${name}`, () => assert.equal(parseSignalName(text), name));
  }

  const invalid: [string, RegExp, RegExp][] = [
    ["TREM", /no signal has this name/, /Did you mean TERM\?/],
    ["", /no signal has this name/, /name such as TERM/],
    ["0", /numbers go from 1 to 31/, /name such as TERM/],
    ["34", /numbers go from 1 to 31/, /name such as TERM/],
    ["RTMIN+1", /real-time signals are not supported/, /TERM, QUIT or USR2/],
    ["BANANA", /no signal has this name/, /name such as TERM/],
  ];
  for (const [text, message, remedy] of invalid) {
    it(`refuses "${text}" with advice`, () => {
      assert.throws(() => parseSignalName(text), (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, message);
        assert.match(error.remedy ?? "", remedy);
        return true;
      });
    });
  }
});
