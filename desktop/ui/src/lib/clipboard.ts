/** Copies `text`; answers whether that worked. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether files or a picture were copied, and not a text. WebKitGTK names no files to a page: of a picture it says nothing at all, and of a
 * file that it has an address, which cannot be read, and no text.
 */
export const holdsFiles = (copied: Pick<DataTransfer, 'types' | 'getData'>): boolean => copied.types.includes('Files') || copied.getData('text/plain') === '';
