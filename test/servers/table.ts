/** All rows of the compatibility table, in the order of docs/servers.md. */
import type { ServerRow } from "./row.ts";
import { DATA } from "./table/data.ts";
import { LOGIN_AND_FILES, NAMES_AND_CHAT, OTHERS } from "./table/network.ts";
import { RUNTIMES } from "./table/runtimes.ts";
import { PERL_AND_PHP, PYTHON, RUBY } from "./table/scripting.ts";
import { PROXIES, WEB } from "./table/web.ts";

export interface Section {
  readonly title: string;
  readonly rows: readonly ServerRow[];
}

export const SECTIONS: readonly Section[] = [
  { title: "Web servers", rows: WEB },
  { title: "Proxies", rows: PROXIES },
  { title: "Node.js, Bun, Deno, Go, Java, Erlang", rows: RUNTIMES },
  { title: "Python", rows: PYTHON },
  { title: "Ruby", rows: RUBY },
  { title: "Perl and PHP", rows: PERL_AND_PHP },
  { title: "Databases, caches, brokers", rows: DATA },
  { title: "Log-in, files, mail", rows: LOGIN_AND_FILES },
  { title: "Names and chat", rows: NAMES_AND_CHAT },
  { title: "Others", rows: OTHERS },
];

export const ROWS: readonly ServerRow[] = SECTIONS.flatMap(({ rows }) => rows);
