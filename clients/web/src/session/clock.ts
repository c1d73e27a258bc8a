/**
 * The server's clock, as far as its answers tell it.
 *
 * Laws:
 * - Pure. The header `Date` has whole seconds: what may be no more than that and the way of the answer counts as nothing.
 */

const WHOLE_MS = 1000;

/**
 * By how many milliseconds the server's clock is before this device's; 0 where they agree, or nothing is known.
 *
 * @param date the header of an answer; `sent` and `came` are when the request was sent, and the answer came, by this device.
 */
export function clockAhead(date: string | null, sent: number, came: number): number {
  const said = date === null ? NaN : Date.parse(date);
  if (Number.isNaN(said)) return 0;
  // It was said between `sent` and `came`, and cut off to the second.
  const [least, most] = [said - came, said + WHOLE_MS - sent];
  if (least <= 0 && most >= 0) return 0;
  return Math.round((least + most) / 2);
}
