/** The control files of the Debian package. Pure. */
import type { Arch } from "../../binary/elf.ts";

export interface DebianFacts {
  readonly version: string;
  readonly arch: Arch;
  /** Size of what is installed. */
  readonly kibibytes: number;
  /** As RFC 5322 has it. */
  readonly date: string;
}

const MAINTAINER = "The baton authors <maintainers@baton.invalid>";
const REVISION = 1;
const ARCHITECTURES: Readonly<Record<Arch, string>> = { x64: "amd64", arm64: "arm64" };

export function debianVersion(version: string): string {
  return `${version}-${REVISION}`;
}

export function debianArch(arch: Arch): string {
  return ARCHITECTURES[arch];
}

export function debianFileName({ version, arch }: Pick<DebianFacts, "version" | "arch">): string {
  return `baton_${debianVersion(version)}_${debianArch(arch)}.deb`;
}

export function control({ version, arch, kibibytes }: DebianFacts): string {
  return [
    "Package: baton",
    `Version: ${debianVersion(version)}`,
    `Architecture: ${debianArch(arch)}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${kibibytes}`,
    "Depends: libc6 (>= 2.17)",
    "Section: admin",
    "Priority: optional",
    "Description: replaces a running server without dropping a connection",
    " baton runs any server, unmodified. At a reload it starts a new generation",
    " beside the old one, waits until that accepts, lets the kernel send new",
    " connections to it, and stops the old one when its connections have finished.",
    " .",
    " The unit baton@NAME.service runs the service of /etc/baton/NAME.toml.",
    "",
  ].join("\n");
}

export function changelog({ version, date }: DebianFacts): string {
  return [
    `baton (${debianVersion(version)}) unstable; urgency=medium`,
    "",
    "  * See /usr/share/doc/baton/changelog.gz.",
    "",
    ` -- ${MAINTAINER}  ${date}`,
    "",
  ].join("\n");
}

/** Debian has that text itself, and wants it to be named only. */
const APACHE_2 = /[^\n]*Apache License\s+Version 2\.0, January 2004[^]*?(?=\n\n-{72}\n|$)/g;

/** @param others licenses of what is in the program besides */
export function copyright(license: string, others: string): string {
  const [, holder = ""] = /^Copyright \(c\) (.+)$/m.exec(license) ?? [];
  const body = license.slice(license.indexOf("Permission is hereby"));
  const indented = (text: string) =>
    text.trim().split("\n").map((line) => line.trim() === "" ? " ." : ` ${line.trimEnd()}`)
      .join("\n");
  return [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
    "Upstream-Name: baton",
    "Comment:",
    indented(others.replaceAll(APACHE_2, "See /usr/share/common-licenses/Apache-2.0.")),
    "",
    "Files: *",
    `Copyright: ${holder}`,
    "License: Expat",
    indented(body),
    "",
  ].join("\n");
}

/** Running services keep their program until `baton upgrade NAME`: an upgrade of the package must not restart them. */
export const SCRIPTS: Readonly<Record<"postinst" | "prerm" | "postrm", string>> = {
  postinst: `#!/bin/sh
set -e
if [ "$1" = configure ] && [ -z "\${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
`,
  prerm: `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "\${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop 'baton@*.service' >/dev/null || true
fi
`,
  postrm: `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -z "\${DPKG_ROOT:-}" ] && [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
`,
};

export const LINTIAN_OVERRIDES = [
  "# Bun's runtime with baton's code behind it: strip(1) would remove that, and Bun brings its own libraries.",
  "baton: unstripped-binary-or-object [usr/bin/baton]",
  "baton: embedded-library *",
  "baton: hardening-no-fortify-functions [usr/bin/baton]",
  "baton: hardening-no-pie [usr/bin/baton]",
  "baton: hardening-no-relro [usr/bin/baton]",
  "# It is no package of Debian's own.",
  "baton: initial-upload-closes-no-bugs *",
  "# A template: there is nothing that could be enabled or started at the installation.",
  "baton: maintainer-script-calls-systemctl *",
  "",
].join("\n");
