/** Single keys that work anywhere in the list of images, but never where they could mean something else. */

export type KeyAction = "next" | "previous" | "right" | "wrong" | "unsure" | "help";

export const KEYS: Readonly<Record<string, KeyAction>> = {
  j: "next",
  k: "previous",
  r: "right",
  w: "wrong",
  u: "unsure",
  "?": "help",
};

interface Pressed {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  isComposing: boolean;
  /** The key is being held down. */
  repeat: boolean;
}

/** The element that has the focus. */
interface Focused {
  tagName: string;
  /** Of an input. */
  type?: string;
  isContentEditable?: boolean;
}

/** Inputs without text. */
const TEXTLESS = new Set(["button", "checkbox", "file", "radio", "range", "reset", "submit"]);

/** What a key does; null where it is part of a text, of a choice in a list or of a shortcut of the browser. */
export function actionOf(pressed: Pressed, focused: Focused | null): KeyAction | null {
  if (pressed.ctrlKey || pressed.metaKey || pressed.altKey || pressed.isComposing) return null;
  if (focused !== null && takesText(focused)) return null;
  const action = Object.hasOwn(KEYS, pressed.key) ? (KEYS[pressed.key] ?? null) : null;
  // Held down, a key may run through the list, but it gives feedback only once.
  return pressed.repeat && action !== "next" && action !== "previous" ? null : action;
}

function takesText({ tagName, type = "text", isContentEditable = false }: Focused): boolean {
  const tag = tagName.toLowerCase();
  return isContentEditable || tag === "textarea" || tag === "select" || (tag === "input" && !TEXTLESS.has(type));
}
