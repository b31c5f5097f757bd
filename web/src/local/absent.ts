/** In place of `client.ts` in the page of the service, which would otherwise carry the worker and its WebAssembly. */

import type { Client } from "../api/client";

export function createLocalClient(): Client {
  throw new Error("this page was built for a service");
}
