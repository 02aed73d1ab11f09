import type { Feed } from './feed.ts'
import type { LiveOutput } from './live-output.ts'
import type { LiveSources } from './live-sources.ts'
import { Outage } from './outage.ts'
import type { StreamRequest } from './service.ts'
import type { StreamContext } from './stream-context.ts'
import type { StreamReporter } from './stream-reporter.ts'

export interface LiveOutageOptions extends Pick<StreamContext, 'clock' | 'limits' | 'slates'> {
  readonly request: () => StreamRequest
  readonly feed: Feed
  readonly output: LiveOutput
  readonly sources: LiveSources
  readonly reporter: StreamReporter
  readonly viewerCount: () => number
  /** Viewers are not held any longer. */
  readonly gaveUp: () => void
}

/** What the viewers of a live stream get while none of its sources delivers. */
export function createLiveOutage(options: LiveOutageOptions): Outage {
  const { clock, limits, slates, request, feed, output, sources, reporter, viewerCount, gaveUp } = options
  return new Outage({
    clock,
    slates,
    slate: () => request().slate,
    signature: () => (request().seamless ? sources.signatureOnAir : undefined),
    showSlate: (play) => {
      feed.showSlate(play)
      reporter.slateShown(viewerCount())
    },
    isSlateOn: () => feed.isSlateOn,
    slateFailed: (error) => reporter.slateUnavailable(error),
    keepAlive: () => {
      if (feed.container === 'mpegts') output.keepAlive()
    },
    holdMs: limits.viewerHoldMs,
    slateHoldMs: limits.slateHoldMs,
    letGo: () => {
      gaveUp()
      output.end()
    },
  })
}
