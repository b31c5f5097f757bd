import { useId, useState } from "react";
import type { Evidence, Face } from "../api/types";
import { percent, wholePercent } from "../logic/format";
import { locale, t } from "../strings";
import { FileImage } from "./FileImage";

interface Props {
  name: string;
  /** The image's bytes; null if they were not kept. */
  file: Blob | null;
  faces: readonly Face[];
  evidence: readonly Evidence[] | null;
}

interface Size {
  width: number;
  height: number;
}

/** The image with face frames and evidence drawn over it. */
export function ImageFigure({ name, file, faces, evidence }: Props) {
  const [size, setSize] = useState<Size | null>(null);
  const [unreadable, setUnreadable] = useState(false);
  const [opacity, setOpacity] = useState(1);
  const [framed, setFramed] = useState(true);

  if (file === null || unreadable) {
    return <p className="no-image">{file === null ? t.image.notKept : t.image.noPreview}</p>;
  }
  return (
    <figure className="image">
      <div className="frame">
        <FileImage
          file={file}
          alt={t.image.alt(name)}
          onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) => {
            setSize({ width: naturalWidth, height: naturalHeight });
          }}
          onError={() => {
            setUnreadable(true);
          }}
        />
        {size && <Overlay size={size} faces={framed ? faces : []} evidence={evidence ?? []} opacity={opacity} />}
      </div>
      <figcaption>
        {evidence !== null && evidence.length > 0 && <EvidenceControls opacity={opacity} setOpacity={setOpacity} />}
        {evidence !== null && evidence.length === 0 && <p className="dim">{t.image.noEvidence}</p>}
        {faces.length > 0 && (
          <label className="check">
            <input
              type="checkbox"
              checked={framed}
              onChange={(event) => {
                setFramed(event.target.checked);
              }}
            />
            {t.image.boxes}
          </label>
        )}
      </figcaption>
    </figure>
  );
}

function EvidenceControls({ opacity, setOpacity }: { opacity: number; setOpacity: (opacity: number) => void }) {
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
      <p className="evidence-key">
        <span className="key-fake">{t.image.towardsFake}</span>
        <span className="key-real">{t.image.towardsReal}</span>
      </p>
    </>
  );
}

interface OverlayProps {
  size: Size;
  faces: readonly Face[];
  evidence: readonly Evidence[];
  opacity: number;
}

/** Drawn in the image's own pixel coordinates, so it fits at any display size. */
function Overlay({ size: { width, height }, faces, evidence, opacity }: OverlayProps) {
  return (
    <>
      <svg className="overlay" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
        <g opacity={opacity}>
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
          {faces.length > 1 && `${place + 1} · `}
          {percent(fake_probability, locale)}
        </span>
      ))}
    </>
  );
}
