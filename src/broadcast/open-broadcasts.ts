import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Processes } from '../process/processes.ts'
import type { Store } from '../store/store.ts'
import { openHttpSource } from '../streams/sources/http-client.ts'
import type { SourceNetwork, SourceTransport } from '../streams/sources/http-client.ts'
import type { BroadcastLimits } from './broadcast.ts'
import { Broadcasts } from './broadcasts.ts'

/** What the configuration says of broadcasts. */
export interface BroadcastSettings extends BroadcastLimits {
  readonly dataDirectory: string
  readonly userAgent: string
  readonly connectTimeoutMs: number
  readonly readTimeoutMs: number
}

export interface BroadcastParts {
  readonly config: BroadcastSettings
  readonly log: Log
  readonly clock: Clock
  readonly store: Store
  readonly network: SourceNetwork
  readonly processes: Processes
  /** For sources that HTTP cannot pull. */
  readonly remux: SourceTransport
}

/** The networks as they were; what was on air goes on. */
export async function openBroadcasts({ config, remux, ...parts }: BroadcastParts): Promise<Broadcasts> {
  return Broadcasts.open({
    ...{ ...parts, userAgent: config.userAgent, limits: config, directory: join(config.dataDirectory, 'broadcasts') },
    ...{ connectTimeoutMs: config.connectTimeoutMs, answerTimeoutMs: config.readTimeoutMs },
    // Playlists are passed on one by one: ffmpeg plays them itself.
    transportOf: (url) => (/^https?:/i.test(url) ? openHttpSource : remux),
  })
}
