/** Dark or light theme: the user's choice, else the system's preference. */

import { useSyncExternalStore } from "react";

export type Theme = "dark" | "light";

const KEY = "unmask-theme";
const light = window.matchMedia("(prefers-color-scheme: light)");
const listeners = new Set<() => void>();

export function setTheme(theme: Theme): void {
  try {
    // eslint-disable-next-line no-restricted-globals
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be blocked; the choice then lasts until the page is closed.
  }
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
  try {
    // eslint-disable-next-line no-restricted-globals
    const value = localStorage.getItem(KEY);
    return value === "dark" || value === "light" ? value : null;
  } catch {
    return null;
  }
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  light.addEventListener("change", listener);
  return () => {
    listeners.delete(listener);
    light.removeEventListener("change", listener);
  };
}
