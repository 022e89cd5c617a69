/** Entry for a browser: the script of the page at the admin address (scripts/page.ts makes it a part of that). */
import { App } from "./admin/page/app.ts";
import { BROWSER_CLOCK } from "./platform/runtime/browser.ts";

new App(BROWSER_CLOCK).start();
