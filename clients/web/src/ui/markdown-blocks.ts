/** Which texts are Markdown, and the blocks of one that is being written. Pure. */

const SIGNS =
  /(?:^|\n) {0,3}(?:#{1,6} \S|[-*+] \S|\d{1,9}[.)] \S|> ?\S|```|~~~|\|.*\|)|\*\*[^*\n]+\*\*|`[^`\n]+`|!?\[[^\]\n]*\]\([^)\s]+\)|https?:\/\/\S/;
/** Only so much of a text is looked at: what is longer and has no sign by then is taken as plain. */
const LOOKED_AT = 4000;

/** Whether a text has anything that Markdown would draw in another way than it is written. */
export function isMarkdown(text: string): boolean {
  return SIGNS.test(text.slice(0, LOOKED_AT));
}

/** The blocks of a text, each whole for itself: cut at empty lines that are in no code, list or quotation. */
export function blocksOf(text: string): string[] {
  const blocks: string[] = [];
  let lines: string[] = [];
  let fence: string | null = null;
  for (const line of text.split("\n")) {
    const [, mark] = /^ {0,3}(```+|~~~+)/.exec(line) ?? [];
    if (mark !== undefined && (fence === null || mark.startsWith(fence))) fence = fence === null ? mark : null;
    const isCut = fence === null && mark === undefined && lines.at(-1)?.trim() === "" && /^\S/.test(line);
    if (isCut && !/^(?:[-*+]|\d+[.)]) /.test(line)) {
      blocks.push(lines.join("\n"));
      lines = [];
    }
    lines.push(line);
  }
  return [...blocks, lines.join("\n")];
}
