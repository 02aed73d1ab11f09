/** What one core gets through, in MB/s: the best of several rounds, so that other work on the machine counts least. */
export function bestThroughput(rounds: number, bytes: number, round: () => void): number {
  let bestMs = Infinity
  for (let index = 0; index < rounds; index += 1) {
    const startedMs = performance.now()
    round()
    bestMs = Math.min(bestMs, performance.now() - startedMs)
  }
  return bytes / bestMs / 1_000
}
