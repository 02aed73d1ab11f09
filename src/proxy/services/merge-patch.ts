/** Deeper than any definition is; what is deeper is put in whole. */
const DEPTH_MAX = 16

/**
 * JSON Merge Patch (RFC 7396): objects are merged, null takes away, everything else replaces; so does an object of another
 * `kind`, whose fields mean something else.
 */
export function mergePatch(target: unknown, patch: unknown, depth = 0): unknown {
  if (!isObject(patch) || depth >= DEPTH_MAX) return patch
  const isOtherKind = isObject(target) && patch['kind'] !== undefined && patch['kind'] !== target['kind']
  const merged: Record<string, unknown> = isObject(target) && !isOtherKind ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else merged[key] = mergePatch(merged[key], value, depth + 1)
  }
  return merged
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
