import type { Figure } from "../api/types";
import { figure } from "../logic/format";
import { placeOnRange } from "../logic/range";
import { locale, t } from "../strings";

const at = (share: number) => `${100 * share}%`;

/** A measured value with its usual range in comparable photographs. */
export function RangeBar({ of }: { of: Figure }) {
  const { value, low, high, unit } = of;
  if (value === null) return null;
  const number = (amount: number) => `${figure(amount, locale)}${unit && ` ${unit}`}`;
  const range = placeOnRange(value, low, high);
  return (
    <div className="range" data-outside={of.outside ?? false}>
      <dt>{of.title}</dt>
      <dd>
        <span className="range-value">{number(value)}</span>
        {range && low !== null && high !== null && (
          <>
            <span className="range-track" aria-hidden="true">
              <span className="range-usual" style={{ left: at(range.low), width: at(range.high - range.low) }} />
              <span className="range-here" style={{ left: at(range.value) }} />
            </span>
            <span className="range-words">
              {of.outside ? t.explanation.outside : t.explanation.inside}:{" "}
              {t.explanation.range(figure(low, locale), figure(high, locale))}
            </span>
          </>
        )}
        {of.comparison === "no comparable reference" && (
          <span className="range-words">{t.explanation.noReference}</span>
        )}
      </dd>
    </div>
  );
}
