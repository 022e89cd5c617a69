/**
 * baton@.service: `systemctl enable --now baton@web` runs what /etc/baton/web.toml says. It is the unit that `baton init
 * systemd` prints, but for what that knows of the server. Pure.
 */
import { parseCommandLine } from "../../src/cli/words/parse.ts";
import { systemdUnit } from "../../src/init/systemd.ts";

/** A name that `%i` replaces. */
const INSTANCE = "INSTANCE";
const SERVER = "SERVER";
/** Where the files of its services are. The Debian package makes it. */
export const SERVICES = "/etc/baton";

const HEADING = [
  "# baton@NAME runs the service of /etc/baton/NAME.toml: see baton.toml(5). Then",
  "#   systemctl enable --now baton@NAME",
  "# Deploy with: systemctl reload baton@NAME",
  "# With 'survive = true' in the file: systemctl edit baton@NAME, and there [Service] KillMode=process",
];

/** @param baton path of the program */
export function unitTemplate(baton: string): string {
  const command = parseCommandLine(["run", "--name", INSTANCE, "--", SERVER], () => {
    throw new Error("there is no file");
  });
  if (command.verb !== "run") throw new Error("it is another command");
  const unit = systemdUnit({
    baton: [baton],
    config: command.config,
    options: [`--config=${SERVICES}/${INSTANCE}.toml`],
    directory: "/",
  });
  const lines = unit.split("\n");
  const body = lines.slice(lines.indexOf("[Unit]"))
    .map((line) => line.replace(` -- ${SERVER}`, "").replaceAll(INSTANCE, "%i"))
    // What the server names is not known here: it may listen at a path in /tmp, and be in /home.
    .filter((line) => line !== "PrivateTmp=yes")
    .map((line) => line === "ProtectHome=yes" ? "ProtectHome=read-only" : line);
  return [...HEADING, ...body].join("\n");
}
