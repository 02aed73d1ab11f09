import type { AccessControl } from '../../http/access.ts'
import type { Clock } from '../../lib/clock.ts'
import type { StreamService } from '../service.ts'
import type { StreamDefaults } from './stream-request.ts'

/** Whether the gateway can do its work; problems are shown to operators only. */
export interface HealthReport {
  readonly isHealthy: boolean
  readonly problems: readonly string[]
}

/** What GET /info tells beside what the API knows itself. No secrets. Durations in milliseconds. */
export interface GatewayInformation {
  readonly userAgent: string
  readonly viewerStallMs: number
  readonly graceMs: number
  readonly maxRetries: number
  /** Blocks of its own name in the answer. */
  readonly transcoding?: Readonly<Record<'hardware_acceleration' | 'transcoding', object>>
}

/** What the programs say of their version; undefined where there is none, or it is off. */
export type ProgramVersionsInformation = Readonly<Record<'ffmpeg' | 'streamlink' | 'ytdlp', string | undefined>>

export type ConnectionTestResult =
  | { readonly kind: 'answered'; readonly statusCode: number }
  | { readonly kind: 'timeout'; readonly afterMs: number }
  | { readonly kind: 'failed'; readonly message: string }

export interface StreamApiOptions {
  readonly streams: StreamService
  readonly access: AccessControl
  readonly clock: Clock
  readonly version: string
  readonly rootPath: string
  readonly defaults: StreamDefaults
  readonly health: () => HealthReport
  readonly information: () => GatewayInformation
  readonly programVersions: () => Promise<ProgramVersionsInformation>
  /** Asks an address that an operator named. Never throws. */
  readonly testConnection: (url: string) => Promise<ConnectionTestResult>
}
