/** What went wrong. */

import { plurals } from "../plurals";

const many = plurals("en");

export const problems = {
  /** By error code, else by HTTP status. */
  problems: {
    offline: "The service does not respond. Is it running, and are you connected to it?",
    unknown: "Something went wrong.",
    retry: (seconds: number) => many(seconds, "Try again in a second.", "Try again in # seconds."),
    codes: {
      empty: "The file is empty.",
      truncated: "The file ends too early: part of it is missing. Download or copy it again.",
      corrupt: "The file is damaged and cannot be read as an image.",
      unsupported_format:
        "This is not an image that unmask reads. It reads JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF and BMP.",
      file_too_large: "The file is too large for this service.",
      too_many_pixels:
        "The image has too many pixels for this service. Scale it down, though that makes the verdict less reliable.",
      side_too_long: "The image is too wide or too high for this service.",
      too_small: "The image is too small to judge.",
      too_complex: "The file is built in an unusual way that would take too long to read. Save the image again.",
      decode_stopped: "Reading the image took too much time or memory and was stopped. Save the image again.",
      out_of_memory: "The service has too little memory for this image.",
      storage_unavailable: "The service cannot store the image at the moment.",
      interrupted: "The service stopped before the clip was judged. Send it again.",
      no_video: "The file has no video, or none that unmask reads.",
      too_long: "The clip is too long for this service.",
      clip_stopped: "Judging the clip took longer than the service allows. Cut it, or send a smaller one.",
    },
    statuses: {
      400: "The service did not understand the request.",
      401: "The service needs a token.",
      403: "The service does not accept requests from this page.",
      404: "Not found. It may have been deleted.",
      408: "The upload took too long.",
      413: "The file is too large for this service.",
      415: "This is not an image that unmask reads. It reads JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF and BMP.",
      421: "The service does not accept this host name. Open it under the name that it was set up with.",
      422: "The service cannot use this image.",
      429: "The service is busy.",
      500: "The service failed. This is a fault in unmask, not in your image.",
      503: "The service is not ready, or is shutting down.",
      504: "Checking took longer than the service allows.",
    },
  },
};
