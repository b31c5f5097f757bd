/** What every part of the page may need, handed down by `App`. */

import { createContext, useContext } from "react";
import type { Client } from "../api/client";
import type { Model } from "../api/types";

export interface AppContext {
  client: Client;
  /** What the service says of its detector; null until it has answered. */
  model: Model | null;
  /** Changes with every new token, so that what failed for want of one is asked for again. */
  tokenEpoch: number;
  /** Ask the reader for a token: a call was answered with 401. */
  askForToken: () => void;
  /** Have a screen reader say this. */
  announce: (text: string) => void;
}

export const App = createContext<AppContext | null>(null);

export function useApp(): AppContext {
  const app = useContext(App);
  if (app === null) throw new Error("useApp outside of App");
  return app;
}
