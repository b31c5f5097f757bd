/** CSV tables that are safe to open in a spreadsheet. */

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,9})?$/;
/** Characters without a shape of their own, such as control characters and changes of the writing direction. */
const UNSEEN = /[^\P{C}\t\n]|[^\P{Z} ]/gu;

/**
 * A cell as `unmask detect --csv` writes it: a leading apostrophe where a spreadsheet would run the text as a formula, or
 * show it as another number; unseen characters are escaped.
 */
export function harmless(text: string): string {
  const shown = text.replaceAll("\r\n", "\n").replaceAll(UNSEEN, escaped);
  return /^[=+\-@\t]/.test(shown) || isRewritten(shown) ? `'${shown}` : shown;
}

function escaped(character: string): string {
  if (character === "\r") return "\\r";
  const code = (character.codePointAt(0) ?? 0).toString(16);
  const [letter, width] = code.length <= 2 ? ["x", 2] : code.length <= 4 ? ["u", 4] : ["U", 8];
  return `\\${letter}${code.padStart(width, "0")}`;
}

/** Whether a spreadsheet takes text for a number and shows it in another form. */
function isRewritten(text: string): boolean {
  if (!NUMBER.test(text)) return false;
  const value = Number(text);
  const tiny = value !== 0 && Math.abs(value) < 1e-4;
  return tiny || String(Number(value.toPrecision(15))) !== text;
}

/** A table with a header; cells are numbers, booleans, harmless text, or null for an empty cell. */
export function csv(
  header: readonly string[],
  rows: readonly (readonly (string | number | boolean | null)[])[],
): string {
  const lines = [header, ...rows].map((cells) => cells.map((cell) => quoted(cell === null ? "" : String(cell))));
  return lines.map((cells) => `${cells.join(",")}\n`).join("");
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
