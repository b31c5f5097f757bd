import { useCallback, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { AddImages } from "../components/AddImages";
import { KeysDialog } from "../components/KeysDialog";
import { Outcome } from "../components/Outcome";
import { QueueList } from "../components/QueueList";
import { isClip } from "../logic/clips";
import type { KeyAction } from "../logic/keys";
import { useApp } from "../state/app";
import { type Group, neighbour, type Order, sorted } from "../state/arrange";
import { settledWords } from "../state/settledWords";
import { useAnnounced } from "../state/useAnnounced";
import { useFeedback } from "../state/useFeedback";
import { useImageDrop } from "../state/useImageDrop";
import { useKeys, useKeysEnabled } from "../state/useKeys";
import { useQueue } from "../state/useQueue";
import { t } from "../strings";

interface Props {
  shown: boolean;
  /** Takes clips that were added here. */
  addClips: (files: readonly File[]) => void;
}

export function CheckView({ shown, addClips }: Props) {
  const { announce } = useApp();
  const { queue, keeping, add, choose, answer, retry, remove } = useQueue();
  const [order, setOrder] = useState<Order>("added");
  const [filter, setFilter] = useState<Group | null>(null);
  const [keysShown, setKeysShown] = useState(false);
  const [keysEnabled, enableKeys] = useKeysEnabled();
  const giveFeedback = useFeedback(answer);
  const addOrAnnounce = useCallback(
    (files: readonly File[]) => {
      const clips = files.filter(isClip);
      const others = files.filter((file) => !isClip(file));
      if (others.length > 0) add(others);
      if (clips.length > 0) addClips(clips);
      if (files.length === 0) announce(t.add.none);
    },
    [add, addClips, announce],
  );
  const over = useImageDrop(shown, addOrAnnounce);
  useAnnounced(queue.items);
  const heading = useRef<HTMLHeadingElement>(null);
  const empty = queue.items.length === 0;
  const chosen = queue.items.find(({ key }) => key === queue.chosen);

  const open = (key: number) => {
    flushSync(() => {
      choose(key);
    });
    heading.current?.focus();
  };
  const step = (by: 1 | -1) => {
    const next = neighbour(sorted(queue.items, order), filter, queue.chosen, by);
    const item = queue.items.find(({ key }) => key === next);
    if (item === undefined) {
      announce(by === 1 ? t.keys.last : t.keys.first);
      return;
    }
    open(item.key);
    announce(settledWords(item) ?? t.queue.waiting);
  };
  const act = (action: KeyAction) => {
    switch (action) {
      case "next":
        step(1);
        break;
      case "previous":
        step(-1);
        break;
      case "help":
        setKeysShown(true);
        break;
      default:
        if (chosen) void giveFeedback(chosen, action);
    }
  };
  useKeys(shown && !empty, act);

  return (
    <div className="check-view" hidden={!shown} data-empty={empty}>
      <div className={empty ? "intro" : "unseen"}>
        <h1 tabIndex={-1}>{empty ? t.add.heading : t.title.check}</h1>
        {empty && <p className="lead">{t.add.lead}</p>}
      </div>
      <div className="check-side">
        <AddImages first={empty} over={over} keptHere={keeping.how === "kept"} add={addOrAnnounce} />
        {!empty && (
          <QueueList
            queue={queue}
            keeping={keeping}
            order={order}
            setOrder={setOrder}
            filter={filter}
            setFilter={setFilter}
            remove={remove}
            choose={open}
            showKeys={() => {
              setKeysShown(true);
            }}
          />
        )}
      </div>
      {chosen && (
        <article className="sheet" aria-labelledby="image-name">
          <h2 id="image-name" ref={heading} tabIndex={-1}>
            {chosen.name}
          </h2>
          <Outcome key={chosen.key} item={chosen} answer={answer} retry={retry} />
        </article>
      )}
      {keysShown && (
        <KeysDialog
          enabled={keysEnabled}
          enable={enableKeys}
          close={() => {
            setKeysShown(false);
          }}
        />
      )}
    </div>
  );
}
