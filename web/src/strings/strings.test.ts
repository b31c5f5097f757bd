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
])("of %o chooses %s, with numbers as %s", (wished, language, locale) => {
  expect(choose(wished, { en: 0, de: 0, "pt-BR": 0 })).toEqual({ language, locale });
});
