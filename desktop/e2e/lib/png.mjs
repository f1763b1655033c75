/** Pictures for tests, made here: a PNG needs nothing but zlib. */
import { crc32, deflateSync } from 'node:zlib';

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind, 'latin1'), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

/** A PNG of `width` by `height` dots, each `[red, green, blue]` as `dot` says; `told` is written beside what can be seen. */
export function png(width, height, dot, told = '') {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) rows.set(dot(x, y), y * (1 + 3 * width) + 1 + 3 * x);
  }
  const text = told === '' ? [] : [chunk('tEXt', Buffer.from(`Comment\0${told}`, 'latin1'))];
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', head), ...text, chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}
