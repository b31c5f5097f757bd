import { en, type Strings } from "./en";

const translations: Record<string, Strings> = { en };

interface Choice {
  /** The name of the translation. */
  language: string;
  /** The tag that led to it: `en-GB` has other dates than `en`. */
  locale: string;
}

/** The first of the wished languages that there is a translation for: `de-CH` is content with `de`. */
export function choose(wished: readonly string[], available: Record<string, unknown>): Choice {
  for (const locale of wished) {
    const language = [locale, locale.split("-")[0] ?? ""].find((name) => Object.hasOwn(available, name));
    if (language !== undefined) return { language, locale };
  }
  return { language: "en", locale: "en" };
}

/** The language of the words; numbers and dates follow the locale. */
export const { language, locale } = choose(typeof navigator === "undefined" ? [] : navigator.languages, translations);
export const t: Strings = translations[language] ?? en;
