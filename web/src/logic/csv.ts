/** CSV tables that are safe to open in a spreadsheet. */

/** A leading apostrophe where a spreadsheet would run the text as a formula, as in `unmask detect --csv`. */
export function harmless(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
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
