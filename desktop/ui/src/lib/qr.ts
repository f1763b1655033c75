import jsQR from 'jsqr';
import { BackendError } from './backend';

/** Pictures are made smaller than this to be looked at, in dots; a photograph is read best small. */
const SIDES = [1_400, 700, 2_400];
/** Larger files are not looked at, in bytes. */
const FILE_MAX = 32 * 1024 * 1024;

/** The dots of a picture, four bytes each: red, green, blue, opacity. */
export interface Dots {
  data: Uint8ClampedArray;
  width: number;
  height: number;
}

/** The text of the QR code in a picture's dots. */
export const textIn = ({ data, width, height }: Dots): string | null => jsQR(data, width, height)?.data ?? null;

/** The text of the QR code in a picture. It is decoded in this page's sandbox and leaves it as text only. */
export async function readQr(picture: Blob): Promise<string> {
  if (picture.size > FILE_MAX) throw new BackendError('no_qr');
  const bitmap = await createImageBitmap(picture).catch(() => null);
  if (bitmap === null) throw new BackendError('no_qr');
  try {
    for (const side of SIDES) {
      const text = textIn(drawn(bitmap, Math.min(1, side / Math.max(bitmap.width, bitmap.height))));
      if (text !== null && text !== '') return text;
    }
  } finally {
    bitmap.close();
  }
  throw new BackendError('no_qr');
}

function drawn(bitmap: ImageBitmap, scale: number): Dots {
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new BackendError('no_qr');
  // What is transparent is paper.
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
