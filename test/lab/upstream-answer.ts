/** A small answer with a status. `fields` have CR LF each. */
export function answerText(status: number, name: string, fields: string, body: string): string {
  return `HTTP/1.1 ${status} Status\r\nX-Upstream: ${name}\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`
}

/** The single range that a request asks for, if its If-Range lets it. */
export function rangeOf(
  fields: ReadonlyMap<string, string>,
  length: number,
  etag: string | undefined,
): { readonly first: number; readonly last: number } | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(fields.get('range') ?? '')
  const condition = fields.get('if-range')
  if (match === null || (condition !== undefined && condition !== etag)) return undefined
  const first = Number(match[1])
  const last = match[2] === '' ? length - 1 : Math.min(length - 1, Number(match[2]))
  return first <= last ? { first, last } : undefined
}
