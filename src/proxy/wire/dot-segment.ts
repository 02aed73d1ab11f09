/**
 * `.` and `..` as segments, however they are written: endpoints take `%2e` for a dot, many take `%2f` or a backslash for a
 * slash, and those of Java take what follows a semicolon off a segment before they resolve it.
 */
const DOT_SEGMENT = /(?:[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\;]|%2f|%5c|%3b|$)/i

/**
 * Whether a path goes up or stands still somewhere (RFC 3986 §3.3): two readers may take it for two resources, and behind
 * an endpoint's own path it would lead out of it. The query, which may hold anything, is not looked at.
 */
export function hasDotSegment(target: string): boolean {
  // Nearly every path ends here: what is written otherwise has a % or a backslash.
  if (!target.includes('/.') && !target.includes('%') && !target.includes('\\')) return false
  const query = target.indexOf('?')
  return DOT_SEGMENT.test(query < 0 ? target : target.slice(0, query))
}
