import { systemClock } from '../src/lib/clock.ts'
import { processFacts } from '../test/lab/process-facts.ts'
import { ByteCounters } from './byte-counters.ts'

const GB = 1e9
/** Viewers read for so long before anything is counted. */
export const WARM_UP_MS = 4_000

export interface Load {
  readonly cpuSecondsPerGb: number
  readonly cpuPercent: number
  readonly rssBytes: number
  readonly megabitsPerSecond: number
  readonly open: number
  /** The least and the most that a viewer got, in Mbit/s. */
  readonly range: readonly [number, number]
}

/** Lets viewers read `paths` of `url` for a while and measures the process `pid` meanwhile. */
export async function load(
  pid: number,
  url: string,
  paths: readonly string[],
  options: { readonly seconds: number; readonly bytesPerSecond?: number; readonly warmUpMs?: number },
): Promise<Load> {
  const { warmUpMs = WARM_UP_MS } = options
  await using counters = new ByteCounters()
  await counters.open(url, paths, options.bytesPerSecond)
  await systemClock.sleep(warmUpMs)
  const [factsBefore, before, startMs] = [await processFacts(pid), await counters.count(), systemClock.nowMs()]
  await systemClock.sleep(options.seconds * 1_000)
  const [factsAfter, after, endMs] = [await processFacts(pid), await counters.count(), systemClock.nowMs()]
  await counters.close()
  const seconds = (endMs - startMs) / 1_000
  const bytes = after.totalBytes - before.totalBytes
  const cpuSeconds = factsAfter.cpuSeconds - factsBefore.cpuSeconds
  const lifeSeconds = seconds + warmUpMs / 1_000
  return {
    cpuSecondsPerGb: cpuSeconds / (bytes / GB),
    cpuPercent: (cpuSeconds / seconds) * 100,
    rssBytes: factsAfter.rssBytes,
    megabitsPerSecond: (bytes * 8) / seconds / 1e6,
    open: after.open,
    range: [(after.leastBytes * 8) / lifeSeconds / 1e6, (after.mostBytes * 8) / lifeSeconds / 1e6],
  }
}
