import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { restoreTheme } from "./state/theme";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/parts.css";
import "./styles/queue.css";
import "./styles/result.css";
import "./styles/clips.css";
import "./styles/details.css";
import "./styles/views.css";

restoreTheme();
const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
