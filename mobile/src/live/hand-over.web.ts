/** A page leaves no files behind but those that its owner saves. */
export const forgetHandedOver = (): void => {};

/** Hands a text to the browser's share sheet as a file, or as a download where there is none. */
export async function handOver(text: string, name: string, mimeType: string): Promise<void> {
  const files = [new File([text], name, { type: mimeType })];
  if (navigator.canShare?.({ files })) {
    try {
      await navigator.share({ files, title: name });
      return;
    } catch (error) {
      // Who closes the sheet has decided; a browser that shares nothing after all can still save.
      if (error instanceof DOMException && error.name === "AbortError") return;
    }
  }
  const url = URL.createObjectURL(new Blob([text], { type: `${mimeType};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
