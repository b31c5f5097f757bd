/** Offers a file to the user as a download. */
export function download(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // A minute is enough for the browser to start the download.
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 60_000);
}
