import { type ImgHTMLAttributes, useCallback } from "react";

/** An image from its bytes, under an object URL that lives as long as the element. */
export function FileImage({
  file,
  alt,
  ...attributes
}: { file: Blob; alt: string } & ImgHTMLAttributes<HTMLImageElement>) {
  const show = useCallback(
    (image: HTMLImageElement) => {
      const url = URL.createObjectURL(file);
      image.src = url;
      return () => {
        URL.revokeObjectURL(url);
      };
    },
    [file],
  );
  return <img ref={show} alt={alt} {...attributes} />;
}
