/** Words that hold what came from other processes: nothing in them may move a terminal's cursor or turn its text around. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, '?');
}
