// Tags as people write them: name=value, one a line.
export function parseTags(text: string): { tags: Record<string, string> } | { line: number } {
  const tags: Record<string, string> = {};
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const at = line.indexOf("=");
    const name = line.slice(0, at).trim();
    const value = line.slice(at + 1).trim();
    if (at <= 0 || name === "" || value === "" || name in tags) return { line: i + 1 };
    tags[name] = value;
  }
  return { tags };
}
