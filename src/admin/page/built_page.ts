/**
 * The page as one document, which asks for nothing else, and the policy that allows it just that (Content Security Policy
 * Level 3). `scripts/page.ts` makes both of this folder, and the build puts them here: the sources alone have no page.
 */
/** What may be changed from the page: `open`, on the control socket, takes no token. The document's `data-access`. */
export type Access = "open" | "token" | "read-only";

export interface BuiltPage {
  readonly html: string;
  readonly policy: string;
}

export const BUILT_PAGE: BuiltPage | null = null;
