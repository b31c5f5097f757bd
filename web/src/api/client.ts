/** The API calls of the page. Each returns the result or throws a {@link Problem}. */

import type { Filter } from "../logic/route";
import { readEvents } from "./events";
import { Problem } from "./problem";
import type {
  Answer,
  Clip,
  ClipItem,
  ClipPage,
  Detection,
  Explanation,
  HistoryPage,
  HistoryRecord,
  Judged,
  Model,
} from "./types";

export type Client = ReturnType<typeof createClient>;

/** @param token returns the bearer token to send, or null for none; called for each request. */
export function createClient(token: () => string | null) {
  const authorized = (given?: HeadersInit): Headers => {
    const headers = new Headers(given);
    const value = token();
    if (value !== null) headers.set("Authorization", `Bearer ${value}`);
    return headers;
  };

  async function call(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(path, { ...init, headers: authorized(init.headers) }).catch((error: unknown) => {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw Problem.offline();
    });
    if (!response.ok) {
      throw Problem.fromResponse(response.status, await response.text(), response.headers.get("Retry-After"));
    }
    return response;
  }

  // Responses are not checked here: the types come from the service's own description (`npm run types`).
  async function json<T>(path: string, init?: RequestInit): Promise<T> {
    return (await (await call(path, init)).json()) as T;
  }

  return {
    /** Classify one image. `onProgress` receives the uploaded fraction, 1 at the end. */
    detect(file: File, name: string, onProgress: (fraction: number) => void, signal: AbortSignal): Promise<Judged> {
      const form = new FormData();
      form.append("images", file, name);
      return upload<Detection>("v1/detect?evidence=true", form, authorized(), onProgress, signal).then(
        ({ results: [first] }) => {
          if (first === undefined) throw new Problem(500, "", "");
          if (first.error) throw new Problem(422, first.error.code, first.error.message);
          return first;
        },
      );
    },

    explain(file: Blob, name: string, signal: AbortSignal): Promise<Explanation> {
      return json("v1/explain", { method: "POST", body: imageForm(file, name), signal });
    },

    /** The report on an image: an HTML page that needs nothing else. */
    async report(file: Blob, name: string): Promise<Blob> {
      return (await call("v1/report", { method: "POST", body: imageForm(file, name) })).blob();
    },

    model: (signal: AbortSignal): Promise<Model> => json("v1/model", { signal }),

    /** One page of records: the first, or the one at `cursor`. */
    history(filter: Filter, cursor: string | null, signal?: AbortSignal): Promise<HistoryPage> {
      return json(`v1/history?${historyFields(filter, cursor)}`, signal ? { signal } : {});
    },

    record: (id: string, signal: AbortSignal): Promise<HistoryRecord> =>
      json(`v1/history/${encodeURIComponent(id)}`, { signal }),

    /** The image of a record; null if it was not kept, or has been deleted. */
    async imageOf({ image }: Pick<HistoryRecord, "image">, signal: AbortSignal): Promise<Blob | null> {
      if (image === null) return null;
      try {
        return await (await call(image.replace(/^\//, ""), { signal })).blob();
      } catch (caught) {
        if (caught instanceof Problem && caught.code === "no_image") return null;
        throw caught;
      }
    },

    async deleteRecord(id: string): Promise<void> {
      await call(`v1/history/${encodeURIComponent(id)}`, { method: "DELETE" });
    },

    async giveFeedback(id: string, answer: Answer): Promise<void> {
      await call(`v1/history/${encodeURIComponent(id)}/feedback`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(answer),
      });
    },

    /** Queue a clip. `onProgress` receives the uploaded fraction, 1 at the end. */
    sendClip(file: File, name: string, onProgress: (fraction: number) => void, signal: AbortSignal): Promise<Clip> {
      const form = new FormData();
      form.append("video", file, name);
      return upload("v1/videos", form, authorized(), onProgress, signal);
    },

    clip: (id: string, signal: AbortSignal): Promise<Clip> => json(clipPath(id), { signal }),

    /** One page of clips: the first, or the one at `cursor`. */
    clips(cursor: string | null, signal?: AbortSignal): Promise<ClipPage> {
      const fields = new URLSearchParams(cursor === null ? {} : { cursor });
      return json(`v1/videos?${fields}`, signal ? { signal } : {});
    },

    /** Receive a clip at first and after each change, until it is finished or the connection ends. */
    async followClip(id: string, take: (clip: Clip) => void, signal: AbortSignal): Promise<void> {
      const response = await call(`${clipPath(id)}/events`, { signal });
      await readEvents(response, ({ data }) => {
        take(JSON.parse(data) as Clip);
      }).catch((error: unknown) => {
        if (error instanceof DOMException && error.name === "AbortError") throw error;
        throw Problem.offline();
      });
    },

    cancelClip: (id: string): Promise<Clip> => json(`${clipPath(id)}/cancel`, { method: "POST" }),

    async deleteClip(id: string): Promise<void> {
      await call(clipPath(id), { method: "DELETE" });
    },

    /** The stored file of a clip; null if it was not stored, or has been deleted. */
    async fileOfClip({ id, clip }: Pick<ClipItem, "id" | "clip">, signal: AbortSignal): Promise<Blob | null> {
      if (clip === null) return null;
      try {
        return await (await call(`${clipPath(id)}/clip`, { signal })).blob();
      } catch (caught) {
        if (caught instanceof Problem && caught.code === "no_clip") return null;
        throw caught;
      }
    },

    giveClipFeedback: (id: string, answer: Answer): Promise<Clip> =>
      json(`${clipPath(id)}/feedback`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(answer),
      }),

    /** The history as CSV: all records, or those marked right or wrong as a manifest. */
    exportHistory: async (rows: "all" | "labelled"): Promise<Blob> => (await call(`v1/export?rows=${rows}`)).blob(),
  };
}

const clipPath = (id: string) => `v1/videos/${encodeURIComponent(id)}`;

function imageForm(file: Blob, name: string): FormData {
  const form = new FormData();
  form.append("image", file, name);
  return form;
}

export function historyFields({ query, verdict, marked, feedback }: Filter, cursor: string | null): URLSearchParams {
  const fields = new URLSearchParams();
  if (query) fields.set("query", query);
  if (verdict) fields.set("verdict", verdict);
  if (marked) fields.set("marked", "true");
  if (feedback) fields.set("feedback", feedback);
  if (cursor !== null) fields.set("cursor", cursor);
  return fields;
}

/** Like fetch, but reports the progress of the upload. */
function upload<T>(
  path: string,
  form: FormData,
  headers: Headers,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    headers.forEach((value, name) => {
      request.setRequestHeader(name, value);
    });
    request.upload.onprogress = ({ loaded, total }) => {
      onProgress(total > 0 ? loaded / total : 0);
    };
    request.upload.onload = () => {
      onProgress(1);
    };
    request.onerror = () => {
      reject(Problem.offline());
    };
    request.onabort = () => {
      reject(new Problem(0, "aborted", ""));
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText) as T);
      else reject(Problem.fromResponse(request.status, request.responseText, request.getResponseHeader("Retry-After")));
    };
    signal.addEventListener("abort", () => {
      request.abort();
    });
    request.send(form);
  });
}
