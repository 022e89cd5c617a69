/** The options of the admin API (docs/admin.md). */
import { list, parsed, text } from "../option_makers.ts";
import { parseAdminHost, parseAdminPlace } from "../values/admin_place.ts";

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const ADMIN = {
  admin: parsed("ADDR:PORT", "Serve the admin API there: state, statistics, events, and a page for " +
    "the browser. It is read-only without --admin-token-file. unix:/PATH[,mode=0660][,user=NAME]" +
    "[,group=NAME] is a Unix socket.", parseAdminPlace),
  adminTokenFile: text("FILE", "A client that sends a token of this file may also reload, stop, " +
    "and so on, by --admin. One token a line, at least 16 characters; read at each use."),
  adminHost: list("NAME", "Let clients of --admin use this host name. Addresses and localhost are " +
    "always allowed; others are refused, so that no web page can reach the API under a name of its " +
    "own. May be given several times.", (texts) => texts.map(parseAdminHost)),
};
