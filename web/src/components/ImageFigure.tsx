import { useState } from "react";
import type { Evidence, Face } from "../api/types";
import { t } from "../strings";
import { EvidenceControls } from "./EvidenceControls";
import { FileImage } from "./FileImage";
import { Overlay } from "./Overlay";
import { type Size, ZoomFrame } from "./ZoomFrame";

interface Props {
  name: string;
  /** The image's bytes; null if they were not kept. */
  file: Blob | null;
  faces: readonly Face[];
  evidence: readonly Evidence[] | null;
  /** Whether the evidence passed its check; null if it was not checked. */
  reliable: boolean | null;
}

/** The image, or an empty frame in its place, with numbered face frames and evidence drawn over it. */
export function ImageFigure({ name, file, faces, evidence, reliable }: Props) {
  const [size, setSize] = useState<Size | null>(null);
  const [unreadable, setUnreadable] = useState(false);
  const [opacity, setOpacity] = useState(1);
  const [framed, setFramed] = useState(true);

  const shown = unreadable ? null : file;
  const missing = file === null ? t.image.notKept : t.image.noPreview;
  const drawn = shown === null ? extentOf(evidence ?? []) : size;
  if (shown === null && drawn === null) return <p className="no-image">{missing}</p>;
  return (
    <figure className="image">
      {shown === null && <p className="dim">{missing}</p>}
      <ZoomFrame size={drawn}>
        {shown === null ? (
          <div className="blank" />
        ) : (
          <FileImage
            file={shown}
            alt={t.image.alt(name)}
            draggable={false}
            onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) => {
              setSize({ width: naturalWidth, height: naturalHeight });
            }}
            onError={() => {
              setUnreadable(true);
            }}
          />
        )}
        {drawn && (
          <Overlay
            size={drawn}
            faces={framed ? faces : []}
            evidence={evidence ?? []}
            opacity={opacity}
            muted={reliable !== true}
          />
        )}
      </ZoomFrame>
      <figcaption>
        {evidence !== null && evidence.length > 0 && (
          <EvidenceControls opacity={opacity} setOpacity={setOpacity} reliable={reliable} />
        )}
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

/** Of the places of the evidence, where there is no image to draw it on; null without evidence. */
function extentOf(evidence: readonly Evidence[]): Size | null {
  if (evidence.length === 0) return null;
  const most = (place: 2 | 3) => Math.max(1, ...evidence.map(({ box }) => box[place]));
  return { width: most(2), height: most(3) };
}
