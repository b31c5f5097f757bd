import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["node_modules", "src/api/schema.d.ts"] },
  {
    files: ["src/**"],
    rules: {
      // The page may contact only its own service.
      "no-restricted-syntax": ["error", { selector: "Literal[value=/^https?:/]", message: "No external requests." }],
    },
  },
  {
    files: ["**/*.{ts,tsx}"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "no-restricted-globals": ["error", { name: "localStorage", message: "Use state/preference.ts." }],
    },
  },
  // In loops over pixels a check of every element would be slow.
  { files: ["src/local/**"], rules: { "@typescript-eslint/non-nullable-type-assertion-style": "off" } },
  { files: ["src/state/preference.ts"], rules: { "no-restricted-globals": "off" } },
  { files: ["**/*.{ts,tsx}"], ...hooks.configs.flat["recommended-latest"] },
);
