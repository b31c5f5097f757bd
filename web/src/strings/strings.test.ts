import { expect, it } from "vitest";
import { choose } from ".";

it.each([
  [["de-CH", "en"], "de"],
  [["pt-BR", "de"], "pt-BR"],
  [["fr", "de"], "de"],
  [["fr"], "en"],
  [[], "en"],
  [["constructor"], "en"],
])("of %o chooses %s", (wished, chosen) => {
  expect(choose(wished, { en: 0, de: 0, "pt-BR": 0 })).toBe(chosen);
});
