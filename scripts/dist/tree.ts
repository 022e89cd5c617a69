/** What an installation of baton consists of, below its prefix: the same for archives, packages and `make install`. Pure. */
import { bashCompletion } from "../../src/cli/completion/bash.ts";
import { fishCompletion } from "../../src/cli/completion/fish.ts";
import { zshCompletion } from "../../src/cli/completion/zsh.ts";
import { commandPage, filePage, type PageFacts } from "./man/pages.ts";
import { unitTemplate } from "./unit.ts";

export interface TreeFile {
  /** Below the prefix. */
  readonly path: string;
  readonly text: string;
}

export interface TreeFacts extends PageFacts {
  /** Where the program will be. */
  readonly program: string;
  readonly license: string;
  readonly thirdParty: string;
  /** Debian's zsh looks for those of packages elsewhere. */
  readonly zshDirectory: "site-functions" | "vendor-completions";
}

/** Everything but the program. */
export function treeFiles(facts: TreeFacts): readonly TreeFile[] {
  return [
    { path: "share/man/man1/baton.1", text: commandPage(facts) },
    { path: "share/man/man5/baton.toml.5", text: filePage(facts) },
    { path: "share/bash-completion/completions/baton", text: bashCompletion() },
    { path: `share/zsh/${facts.zshDirectory}/_baton`, text: zshCompletion() },
    { path: "share/fish/vendor_completions.d/baton.fish", text: fishCompletion() },
    { path: "lib/systemd/system/baton@.service", text: unitTemplate(facts.program) },
    { path: "share/doc/baton/LICENSE", text: facts.license },
    { path: "share/doc/baton/LICENSE.third-party", text: facts.thirdParty },
  ];
}
