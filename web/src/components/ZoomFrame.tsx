import { type CSSProperties, type PointerEvent, type ReactNode, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { wholePercent } from "../logic/format";
import { canZoom, scrollKeepingMiddle, zoomed } from "../logic/zoom";
import { locale, t } from "../strings";
import { Minus, Plus } from "./icons";

export interface Size {
  width: number;
  height: number;
}

interface Props {
  /** In pixels of the image; null until it is known. */
  size: Size | null;
  children: ReactNode;
}

/** Height of the whole image, as a fraction of the window's. */
const HEIGHT = 0.68;

/** An image that fits into the window, or is enlarged and scrolls within the same frame. */
export function ZoomFrame({ size, children }: Props) {
  const view = useRef<HTMLDivElement>(null);
  const [zoom, setZoom] = useState(1);

  const change = (to: number) => {
    const element = view.current;
    if (element === null) return;
    const { scrollLeft, scrollTop, scrollWidth, scrollHeight } = element;
    flushSync(() => {
      setZoom(to);
    });
    element.scrollLeft = scrollKeepingMiddle(scrollLeft, element.clientWidth, scrollWidth, element.scrollWidth);
    element.scrollTop = scrollKeepingMiddle(scrollTop, element.clientHeight, scrollHeight, element.scrollHeight);
  };
  const changes: Record<string, () => void> = {
    "+": () => {
      change(zoomed(zoom, "in"));
    },
    "-": () => {
      change(zoomed(zoom, "out"));
    },
    "0": () => {
      change(1);
    },
  };

  return (
    <>
      <div
        ref={view}
        className="viewport"
        role="group"
        aria-label={t.image.viewport}
        tabIndex={0}
        data-zoomed={zoom > 1}
        style={size ? fitted(size) : undefined}
        onKeyDown={(event) => {
          const change = changes[event.key === "=" ? "+" : event.key];
          if (change === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
          event.preventDefault();
          change();
        }}
        onPointerDown={drag}
      >
        <div className="frame" style={{ width: `${100 * zoom}%` }}>
          {children}
        </div>
      </div>
      <div className="zoom" role="group" aria-label={t.image.zoom}>
        <button
          type="button"
          className="quiet icon"
          aria-label={t.image.zoomOut}
          title={t.image.zoomOut}
          disabled={!canZoom(zoom, "out")}
          onClick={changes["-"]}
        >
          <Minus />
        </button>
        <button type="button" className="quiet" title={t.image.whole} onClick={changes["0"]}>
          <span className="unseen">{t.image.whole}, </span>
          {wholePercent(zoom, locale)}
        </button>
        <button
          type="button"
          className="quiet icon"
          aria-label={t.image.zoomIn}
          title={t.image.zoomIn}
          disabled={!canZoom(zoom, "in")}
          onClick={changes["+"]}
        >
          <Plus />
        </button>
      </div>
    </>
  );
}

/** As large as the image, but no larger than the column and part of the window. */
function fitted({ width, height }: Size): CSSProperties {
  return {
    width: `min(100%, ${width}px, ${(100 * HEIGHT * width) / height}vh)`,
    aspectRatio: `${width} / ${height}`,
  };
}

/** Moves an enlarged image along with the mouse; on touch screens the browser does so itself. */
function drag({ currentTarget: view, pointerType, button, pointerId, clientX, clientY }: PointerEvent<HTMLElement>) {
  if (pointerType !== "mouse" || button !== 0) return;
  const [left, top] = [view.scrollLeft, view.scrollTop];
  view.setPointerCapture(pointerId);
  view.onpointermove = (event) => {
    view.scrollTo(left + clientX - event.clientX, top + clientY - event.clientY);
  };
  view.onlostpointercapture = () => {
    view.onpointermove = null;
  };
}
