import { useEffect, useRef, useSyncExternalStore } from "react";
import { actionOf, type KeyAction } from "../logic/keys";
import { readPreference, writePreference } from "./preference";

const STORED = "unmask-keys";
const listeners = new Set<() => void>();
let enabled = readPreference(STORED) !== "off";

/** Whether single keys work, as the user chose earlier; they do by default. */
export function useKeysEnabled(): [boolean, (enabled: boolean) => void] {
  return [useSyncExternalStore(subscribe, () => enabled), enable];
}

/** Calls `act` for a single key, unless the focus is in a text or a dialog is open. */
export function useKeys(active: boolean, act: (action: KeyAction) => void): void {
  const latest = useRef(act);
  useEffect(() => {
    latest.current = act;
  });
  const [on] = useKeysEnabled();
  useEffect(() => {
    if (!active || !on) return undefined;
    const stop = new AbortController();
    const press = (event: KeyboardEvent) => {
      const action = event.defaultPrevented ? null : actionOf(event, document.activeElement);
      if (action === null || document.querySelector("dialog[open]") !== null) return;
      event.preventDefault();
      latest.current(action);
    };
    window.addEventListener("keydown", press, { signal: stop.signal });
    return () => {
      stop.abort();
    };
  }, [active, on]);
}

function enable(value: boolean): void {
  enabled = value;
  writePreference(STORED, value ? "on" : "off");
  listeners.forEach((listener) => {
    listener();
  });
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}
