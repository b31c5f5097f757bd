import type { Evidence, Face } from "../api/types";
import { percent } from "../logic/format";
import { locale } from "../strings";
import type { Size } from "./ZoomFrame";

interface Props {
  size: Size;
  faces: readonly Face[];
  evidence: readonly Evidence[];
  opacity: number;
  /** Whether to draw the evidence in faint grey, because it has not passed its check. */
  muted: boolean;
}

/** Drawn in the image's own pixel coordinates, so it fits at any display size. */
export function Overlay({ size: { width, height }, faces, evidence, opacity, muted }: Props) {
  return (
    <>
      <svg className="overlay" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
        <g opacity={opacity} className={muted ? "muted" : undefined}>
          {evidence.map(({ box: [x0, y0, x1, y1], png }) => (
            <image key={png} href={png} x={x0} y={y0} width={x1 - x0} height={y1 - y0} preserveAspectRatio="none" />
          ))}
        </g>
        {faces.map(({ box: [x0, y0, x1, y1] }) => (
          <g key={`${x0} ${y0}`} className="face">
            <rect x={x0} y={y0} width={x1 - x0} height={y1 - y0} />
            <rect x={x0} y={y0} width={x1 - x0} height={y1 - y0} />
          </g>
        ))}
      </svg>
      {faces.map(({ box: [x0, y0], fake_probability }, place) => (
        <span
          key={`${x0} ${y0}`}
          className="face-tag"
          aria-hidden="true"
          style={{ left: `${(100 * Math.max(0, x0)) / width}%`, top: `${Math.max(6, (100 * y0) / height)}%` }}
        >
          {place + 1} · {percent(fake_probability, locale)}
        </span>
      ))}
    </>
  );
}
