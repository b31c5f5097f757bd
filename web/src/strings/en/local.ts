/** The page that judges in the browser, without a service. */
export const local = {
  local: {
    formats: "JPEG, PNG, WebP, AVIF, GIF or BMP.",
    kept: "Images are judged in this browser. Nothing is sent anywhere.",
    noExplanation: "Judged in this browser. Reasons, forensic views and reports need unmask itself.",
    noClips: "Clips need unmask itself. This page judges images only.",
  },
};
