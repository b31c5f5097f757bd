import { KEYS } from "../logic/keys";
import { t } from "../strings";
import { Dialog } from "./Dialog";

interface Props {
  enabled: boolean;
  enable: (enabled: boolean) => void;
  close: () => void;
}

export function KeysDialog({ enabled, enable, close }: Props) {
  return (
    <Dialog heading={t.keys.heading} close={close}>
      <dl className="facts keys">
        {Object.entries(KEYS).map(([key, action]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{t.keys[action]}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>+</kbd> <kbd>-</kbd> <kbd>0</kbd>
          </dt>
          <dd>{t.keys.zoom}</dd>
        </div>
      </dl>
      <p className="dim">{t.keys.note}</p>
      <label className="check">
        <input
          type="checkbox"
          checked={enabled}
          onChange={(event) => {
            enable(event.target.checked);
          }}
        />
        {t.keys.enabled}
      </label>
      <p className="actions">
        <button type="button" onClick={close}>
          {t.keys.close}
        </button>
      </p>
    </Dialog>
  );
}
