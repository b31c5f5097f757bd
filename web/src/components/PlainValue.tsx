import { isEmpty, titleOf } from "../logic/plain";
import { figure } from "../logic/format";
import { locale, t } from "../strings";
import { Facts } from "./Facts";

/** Any plain value of JSON for reading: what is empty is left out. */
export function PlainValue({ value }: { value: unknown }) {
  if (typeof value === "boolean") return value ? t.yes : t.no;
  if (typeof value === "number") return Number.isInteger(value) ? value : figure(value, locale);
  if (typeof value === "string") return value;
  if (Array.isArray(value)) {
    const items = (value as unknown[]).filter((item) => !isEmpty(item));
    return (
      <ul className="plain">
        {items.map((item, place) => (
          <li key={place}>
            <PlainValue value={item} />
          </li>
        ))}
      </ul>
    );
  }
  if (typeof value !== "object" || value === null) return null;
  const facts = Object.entries(value as Record<string, unknown>)
    .filter(([, field]) => !isEmpty(field))
    .map(([name, field]) => [titleOf(name), <PlainValue key={name} value={field} />] as const);
  return <Facts facts={facts} />;
}
