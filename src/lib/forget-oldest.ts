/** Lets go of the entry that came first, where a map has more than `most`: called after each that is added, it keeps the map bounded. */
export function forgetOldest(map: Map<unknown, unknown>, most: number): void {
  if (map.size <= most) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}
