/** The calls of `api/client.ts` without a service: images are judged by a worker, and nothing is stored or sent. */

import type { Client } from "../api/client";
import { Problem } from "../api/problem";
import type { Judged, Model } from "../api/types";
import type { Response } from "./messages";

interface Waiting {
  resolve: (judged: Judged) => void;
  reject: (problem: unknown) => void;
}

export function createLocalClient(): Client {
  const detector = new URL("detector/", document.baseURI).href;
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: detector });
  const waiting = new Map<number, Waiting>();
  let last = 0;
  worker.onmessage = ({ data }: MessageEvent<Response>) => {
    if ("ready" in data) {
      document.documentElement.dataset.detector = "ready";
      // After the first visit the page works offline; `unmask page export` writes the script. Not earlier: it loads
      // every file, and the detector needs the line.
      if ("serviceWorker" in navigator) void navigator.serviceWorker.register("./service-worker.js");
      return;
    }
    const asked = waiting.get(data.number);
    waiting.delete(data.number);
    if ("judged" in data) asked?.resolve(data.judged);
    else asked?.reject(new Problem(data.problem.status, data.problem.code, data.problem.detail));
  };
  worker.onerror = () => {
    for (const { reject } of waiting.values()) reject(new Problem(500, "", ""));
    waiting.clear();
  };

  const absent = () => Promise.reject(new Problem(404, "not_here", ""));
  return {
    detect: (file, name, onProgress, signal) =>
      new Promise((resolve, reject) => {
        const number = ++last;
        waiting.set(number, { resolve, reject });
        signal.addEventListener("abort", () => {
          waiting.delete(number);
          reject(new Problem(0, "aborted", ""));
        });
        onProgress(1);
        worker.postMessage({ number, file, name });
      }),
    async model(signal) {
      const response = await fetch(`${detector}facts.json`, { signal }).catch((error: unknown) => {
        if (error instanceof DOMException && error.name === "AbortError") throw error;
        throw Problem.offline();
      });
      if (!response.ok) throw new Problem(response.status, "", "");
      return (await response.json()) as Model;
    },
    explain: absent,
    report: absent,
    history: absent,
    record: absent,
    imageOf: absent,
    deleteRecord: absent,
    giveFeedback: absent,
    sendClip: absent,
    clip: absent,
    clips: absent,
    followClip: absent,
    cancelClip: absent,
    deleteClip: absent,
    fileOfClip: absent,
    giveClipFeedback: absent,
    exportHistory: absent,
  };
}
