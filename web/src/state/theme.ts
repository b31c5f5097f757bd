/** Dark or light theme: the user's choice, else the system's preference. */

import { useSyncExternalStore } from "react";
import { readPreference, writePreference } from "./preference";

export type Theme = "dark" | "light";

const KEY = "unmask-theme";
const light = window.matchMedia("(prefers-color-scheme: light)");
const listeners = new Set<() => void>();

export function setTheme(theme: Theme): void {
  writePreference(KEY, theme);
  document.documentElement.dataset.theme = theme;
  listeners.forEach((listener) => {
    listener();
  });
}

export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, current);
}

/** Restore the choice from an earlier visit. */
export function restoreTheme(): void {
  const theme = stored();
  if (theme) document.documentElement.dataset.theme = theme;
}

function current(): Theme {
  const { theme } = document.documentElement.dataset;
  if (theme === "dark" || theme === "light") return theme;
  return light.matches ? "light" : "dark";
}

function stored(): Theme | null {
  const value = readPreference(KEY);
  return value === "dark" || value === "light" ? value : null;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  light.addEventListener("change", listener);
  return () => {
    listeners.delete(listener);
    light.removeEventListener("change", listener);
  };
}
