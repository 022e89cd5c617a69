/** The options of signals, and of what baton and the server print (docs/signals.md). */
import { atOnce, choice, list, nextGeneration, text, withBytes } from "../option_makers.ts";
import { parseStopSignals } from "../values/signals.ts";

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const OUTPUT = {
  usr1: choice(["auto", "forward", "ignore"], "auto", "Whether SIGUSR1, which makes baton " +
    "reopen its log, is forwarded to the server; auto does so for servers known to reopen " +
    "their logs."),
  stopOn: list("SIGNAL[,SIGNAL...]", "Signals that stop baton gracefully in addition to TERM, " +
    "INT and QUIT, and lose any other meaning: the STOPSIGNAL of an image (USR1, WINCH, " +
    "RTMIN+3). May be given several times.", parseStopSignals),
  output: nextGeneration(choice(["capture", "direct"], "capture", "capture shows the last lines of a " +
    "generation that failed to start; direct gives the server the output of baton from the " +
    "start, as baton always does with a terminal.")),
  logFormat: atOnce(choice(["text", "json"], "text", "Format of the log of baton.")),
  logLevel: atOnce(choice(["debug", "info", "warn", "error"], "info",
    "Least severe messages that are logged.")),
  logFile: withBytes(text("FILE", "Write the log of baton to this file, reopened at SIGUSR1, " +
    "instead of standard error.")),
};
