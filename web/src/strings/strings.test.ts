import { expect, it } from "vitest";
import { choose } from ".";

it.each([
  [["de-CH", "en"], "de", "de-CH"],
  [["pt-BR", "de"], "pt-BR", "pt-BR"],
  [["fr", "de"], "de", "de"],
  [["en-GB"], "en", "en-GB"],
  [["fr"], "en", "en"],
  [[], "en", "en"],
  [["constructor"], "en", "en"],
])("from %o chooses %s, with numbers as in %s", (preferred, language, locale) => {
  expect(choose(preferred, { en: 0, de: 0, "pt-BR": 0 })).toEqual({ language, locale });
});
