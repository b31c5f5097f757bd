/** The bearer token, in sessionStorage only, so it is gone when the tab is closed. */

const KEY = "unmask-token";

// Storage may be blocked; the token then lasts until the page is closed.
let held = stored();

export function readToken(): string | null {
  return held;
}

export function writeToken(token: string | null): void {
  held = token;
  try {
    if (token === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch {
    // As above.
  }
}

function stored(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}
