// Numbers from what people paste and from files.

const GAPS = new Set(["", "nan", "null", "none", "na", "n/a", "missing", "-"]);

// Values, null in gaps, and the first text that is no number. Commas, semicolons, tabs, spaces and lines part them;
// with commas or semicolons an empty place is a gap.
export function readNumbers(text) {
  const trimmed = text.trim().replace(/^\[/, "").replace(/\]$/, "").trim();
  if (!trimmed) return { values: [], wrong: null };
  const pieces = /[,;]/.test(trimmed) ? trimmed.split(/[,;]/) : trimmed.split(/\s+/);
  let wrong = null;
  const values = pieces.map((piece) => {
    const word = piece.trim();
    if (GAPS.has(word.toLowerCase())) return null;
    const value = Number(word);
    if (!Number.isFinite(value)) wrong ??= word;
    return value;
  });
  return { values, wrong };
}

const cells = (line, by) => line.split(by).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));

// A file's values and the time of the last one: JSON (a list, or a record), or CSV with or without a header.
export function readSeriesFile(text, column, time) {
  try {
    const content = JSON.parse(text);
    const record = Array.isArray(content) && typeof content[0] === "object" && content[0] !== null && column in content[0] && Array.isArray(content[0][column]) ? content[0] : content;
    if (Array.isArray(record)) {
      const rows = record.map((row) => (row !== null && typeof row === "object" ? row[column] ?? null : row));
      return { values: rows, time: time ? record.at(-1)?.[time] ?? null : null };
    }
    if (Array.isArray(record[column])) return { values: record[column], time: time ? record[time] ?? null : null };
  } catch { /* no JSON */ }
  const lines = text.split(/\r?\n/).filter((line) => line.trim());
  const by = [";", "\t", ","].find((one) => lines[0]?.includes(one)) ?? ",";
  const header = cells(lines[0] ?? "", by);
  const titled = header.some((cell) => cell && !Number.isFinite(Number(cell)) && !/^\d{4}-\d\d/.test(cell));
  const rows = lines.slice(titled ? 1 : 0).map((line) => cells(line, by));
  const named = (name) => (titled && name ? header.indexOf(name) : -1);
  const place = named(column) >= 0 ? named(column) : Math.max(0, (rows[0]?.length ?? 1) - 1);
  const when = named(time) >= 0 ? named(time) : rows[0]?.findIndex((cell) => /^\d{4}-\d\d/.test(cell)) ?? -1;
  // As text: what is no number is said where it stands, in the field.
  return { values: rows.map((row) => row[place] ?? ""), time: time && when >= 0 ? rows.at(-1)?.[when] ?? null : null };
}
