import type { ReactNode } from "react";

/** Names and what they stand for; what is null, false or empty is left out. */
export function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  const there = facts.filter(([, value]) => value !== null && value !== undefined && value !== false && value !== "");
  return (
    <dl className="facts">
      {there.map(([name, value]) => (
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
