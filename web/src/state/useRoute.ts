import { useSyncExternalStore } from "react";
import { addressOf, parseRoute, type Route } from "../logic/route";

export function useRoute(): Route {
  return parseRoute(useSyncExternalStore(subscribe, () => window.location.hash));
}

export function go(route: Route): void {
  window.location.hash = addressOf(route);
}

/** Change the address without a new entry in the browser's history, as while typing a search. */
export function replaceRoute(route: Route): void {
  window.history.replaceState(null, "", addressOf(route));
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => {
    window.removeEventListener("hashchange", listener);
  };
}
