/**
 * Settings for tests in which no source falls silent. Their sources run in the process of the test: where that is not given
 * the processor for a second, a source that is well would count as stalled, and be left for another.
 */
export const unhurried = { LIVE_STALL_FLOOR_SECONDS: '5' } as const
