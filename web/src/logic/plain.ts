/** Plain values of JSON, for people. */

/** `edit_history` as "Edit history"; names with capitals of their own, as EXIF's, stay as they are. */
export function titleOf(name: string): string {
  if (/[A-Z]/.test(name)) return name;
  const words = name.replaceAll("_", " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Whether there is nothing to show; `false` and 0 are something. */
export function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return true;
  if (typeof value !== "object") return false;
  return Object.values(value).every(isEmpty);
}
