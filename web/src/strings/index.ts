import { en, type Strings } from "./en";

const translations: Record<string, Strings> = { en };

/** The first of the wished languages that there is a translation for: `de-CH` is content with `de`. */
export function choose<T>(wished: readonly string[], available: Record<string, T>): string {
  for (const tag of wished) {
    const found = [tag, tag.split("-")[0] ?? ""].find((name) => Object.hasOwn(available, name));
    if (found !== undefined) return found;
  }
  return "en";
}

const wished = typeof navigator === "undefined" ? [] : navigator.languages;

/** The language of the words. Numbers and dates follow it. */
export const language = choose(wished, translations);
export const t: Strings = translations[language] ?? en;
