import { useState } from "react";
import { t } from "../strings";
import { Dialog } from "./Dialog";

interface Props {
  /** Whether the service has just rejected a token. */
  rejected: boolean;
  use: (token: string) => void;
  cancel: () => void;
}

export function TokenDialog({ rejected, use, cancel }: Props) {
  const [token, setToken] = useState("");
  return (
    <Dialog heading={t.token.heading} close={cancel}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          use(token.trim());
        }}
      >
        <p>{t.token.text}</p>
        {rejected && (
          <p className="problem" role="alert">
            {t.token.rejected}
          </p>
        )}
        <label className="field">
          {t.token.label}
          <input
            type="password"
            autoComplete="off"
            spellCheck={false}
            required
            pattern=".*\S.*"
            value={token}
            onChange={(event) => {
              setToken(event.target.value);
            }}
          />
        </label>
        <p className="actions">
          <button type="submit" className="primary">
            {t.token.use}
          </button>
          <button type="button" onClick={cancel}>
            {t.token.cancel}
          </button>
        </p>
      </form>
    </Dialog>
  );
}
