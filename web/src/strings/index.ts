import { en, type Strings } from "./en";

const translations: Record<string, Strings> = { en };

interface Choice {
  /** Language of the translation. */
  language: string;
  /** Language tag that it was chosen for; `en-GB` formats dates differently from `en`. */
  locale: string;
}

/** The first preferred language with a translation; `de` serves `de-CH`. */
export function choose(preferred: readonly string[], available: Record<string, unknown>): Choice {
  for (const locale of preferred) {
    const language = [locale, locale.split("-")[0] ?? ""].find((name) => Object.hasOwn(available, name));
    if (language !== undefined) return { language, locale };
  }
  return { language: "en", locale: "en" };
}

/** Language of the text; numbers and dates follow the locale. */
export const { language, locale } = choose(typeof navigator === "undefined" ? [] : navigator.languages, translations);
export const t: Strings = translations[language] ?? en;
