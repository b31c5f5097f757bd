import type { ReactNode } from "react";

/** A list of names and values; null, false and empty values are left out. */
export function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  const present = facts.filter(([, value]) => value !== null && value !== undefined && value !== false && value !== "");
  return (
    <dl className="facts">
      {present.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Items({ of }: { of: readonly string[] }) {
  return (
    <ul>
      {of.map((text, place) => (
        <li key={place}>{text}</li>
      ))}
    </ul>
  );
}
