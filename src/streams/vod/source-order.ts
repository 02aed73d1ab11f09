import type { VodSource } from './vod-options.ts'

/** The sources from the one with `index` on, with wrap-around; from the first when there is none with it. */
export function sourcesFrom(sources: readonly VodSource[], index: number): readonly VodSource[] {
  const at = Math.max(
    0,
    sources.findIndex((source) => source.index === index),
  )
  return [...sources.slice(at), ...sources.slice(0, at)]
}
