/** The language of the page: the reader's choice, else the first of the browser's languages that there is. */

import { readPreference, writePreference } from "../state/preference";
import { de } from "./de";
import { en, type Strings } from "./en";

/** Each language under its own name. */
export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

const translations: Record<Language, Strings> = { en, de };
const KEY = "unmask-language";
const listeners = new Set<() => void>();

interface Choice<Name extends string> {
  /** Language of the translation. */
  language: Name;
  /** Language tag that it was chosen for; `en-GB` formats dates differently from `en`. */
  locale: string;
}

/** The language chosen earlier, else the first preferred one with a translation; `de` serves `de-CH`. */
export function choose<Name extends string>(
  preferred: readonly string[],
  available: Record<Name | "en", unknown>,
  earlier: string | null = null,
): Choice<Name | "en"> {
  const isAvailable = (name: string): name is Name | "en" => Object.hasOwn(available, name);
  const wanted = earlier !== null && isAvailable(earlier) ? earlier : null;
  for (const locale of preferred) {
    const language = [locale, locale.split("-")[0] ?? ""].find(isAvailable);
    if (language !== undefined && (wanted === null || language === wanted)) return { language, locale };
  }
  return { language: wanted ?? "en", locale: wanted ?? "en" };
}

const current = (earlier: string | null) =>
  choose<Language>(typeof navigator === "undefined" ? [] : navigator.languages, translations, earlier);

/** Language of the text; numbers and dates follow the locale. Imports see the new values after a change. */
export let { language, locale } = current(readPreference(KEY));
export let t: Strings = translations[language];

/** Switches the page to another language, and remembers it. */
export function setLanguage(name: Language): void {
  writePreference(KEY, name);
  ({ language, locale } = current(name));
  t = translations[language];
  listeners.forEach((listener) => {
    listener();
  });
}

/** Calls the listener after each change, until the function that it returns is called. */
export function onLanguage(listener: () => void): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}
