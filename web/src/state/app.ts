/** Shared context of the page, provided by `App`. */

import { createContext, useContext } from "react";
import type { Client } from "../api/client";
import type { Model } from "../api/types";

export interface AppContext {
  client: Client;
  /** Description of the service's detector; null until it is loaded. */
  model: Model | null;
  /** Changes with every new token, so that calls that failed without one are repeated. */
  tokenVersion: number;
  /** Ask the user for a token, after a call failed with 401. */
  askForToken: () => void;
  /** Make screen readers say this text. */
  announce: (text: string) => void;
}

export const App = createContext<AppContext | null>(null);

export function useApp(): AppContext {
  const app = useContext(App);
  if (app === null) throw new Error("useApp outside of App");
  return app;
}
