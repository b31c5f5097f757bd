import { useSyncExternalStore } from "react";
import { LANGUAGES, type Language, language, onLanguage, setLanguage, t } from "../strings";

/** Renders a component again when the language changes; all text below follows. */
export function useLanguage(): Language {
  return useSyncExternalStore(onLanguage, () => language);
}

export function LanguageSwitch() {
  return (
    <select
      className="language"
      aria-label={t.header.language}
      title={t.header.language}
      value={useLanguage()}
      onChange={({ target }) => {
        setLanguage(target.value as Language);
      }}
    >
      {Object.entries(LANGUAGES).map(([code, name]) => (
        <option key={code} value={code} lang={code}>
          {name}
        </option>
      ))}
    </select>
  );
}
