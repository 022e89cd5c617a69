/** The web page of the service, at the root of the admin address. It is loaded when the first one asks for it. */
import type { AdminParts } from "../admin_parts.ts";
import type { Access } from "../page/built_page.ts";
import type { AdminEnv, Routes } from "./routes.ts";

/** The place in page.html that says what may be changed. */
const ACCESS_PLACE = 'data-access="token"';

/** What may be changed from the page. */
function accessBy(
  door: AdminEnv["Bindings"]["door"],
  access: AdminParts["access"],
): Access {
  // Clients of the control socket are the service's own user and root: the page comes there by a forwarded port (ssh
  // -L).
  if (door === "control") return "open";
  return access?.tokenFile === null ? "read-only" : "token";
}

export function mountPage(routes: Routes, { access }: AdminParts): void {
  routes.add({
    method: "GET",
    path: "/",
    summary: "a page for people: the service, live",
    query: null,
    replies: {
      200: { what: "The page", schema: null, type: "text/html" },
      503: { what: "This baton was run from its sources, and has no page", schema: null },
    },
  }, async (_, context) => {
    const { BUILT_PAGE } = await import("../page/built_page.ts");
    if (BUILT_PAGE === null) return context.text("no page: build baton first (make build)\n", 503);
    const { html, policy } = BUILT_PAGE;
    const may = accessBy(context.env?.door, access);
    return context.body(html.replace(ACCESS_PLACE, `data-access="${may}"`), 200, {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": policy,
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    });
  });
}
