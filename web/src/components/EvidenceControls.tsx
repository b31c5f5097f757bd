import { useId } from "react";
import { wholePercent } from "../logic/format";
import { locale, t } from "../strings";

interface Props {
  opacity: number;
  setOpacity: (opacity: number) => void;
  /** Whether the evidence passed its check; null if it was not checked. */
  reliable: boolean | null;
}

/** Fades the evidence, and says what its colours mean: nothing, unless it passed its check. */
export function EvidenceControls({ opacity, setOpacity, reliable }: Props) {
  const id = useId();
  return (
    <>
      <div className="slider">
        <label htmlFor={id}>{t.image.evidence}</label>
        <input
          id={id}
          type="range"
          min="0"
          max="100"
          step="5"
          value={Math.round(100 * opacity)}
          aria-valuetext={t.image.opacity(wholePercent(opacity, locale))}
          onChange={(event) => {
            setOpacity(Number(event.target.value) / 100);
          }}
        />
      </div>
      {reliable === true && (
        <p className="evidence-key">
          <span className="key-fake">{t.image.towardsFake}</span>
          <span className="key-real">{t.image.towardsReal}</span>
        </p>
      )}
      {reliable === false && <p className="caution">{t.image.unreliable}</p>}
      {reliable === null && <p className="dim">{t.image.unchecked}</p>}
    </>
  );
}
