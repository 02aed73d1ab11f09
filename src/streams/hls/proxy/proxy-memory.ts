import type { Json } from '../../../store/store.ts'
import type { OutputMaster } from './output-master.ts'
import type { PlaylistFeatures } from './published-playlist.ts'
import type { StitchMemory } from './stitch.ts'

/** What players of a stream rely on, for after a restart. Plain JSON data. */
export interface ProxyMemory {
  readonly version: 1
  /** Undefined before the first source has answered; null when the entry is a media playlist. */
  readonly master: OutputMaster | null
  readonly stitch: StitchMemory
  /** By slot. */
  readonly features: Readonly<Record<string, PlaylistFeatures>>
}

/** JSON keeps no undefined, and the store gets exactly what comes back out of it. */
export function storedMemory(memory: ProxyMemory): Json {
  const parsed: unknown = JSON.parse(JSON.stringify(memory))
  return parsed as Json
}

/** What was kept, if it is of this version. It came out of the gateway's own store. */
export function restoredMemory(stored: Json | undefined): ProxyMemory | undefined {
  if (typeof stored !== 'object' || stored === null || !('version' in stored) || stored.version !== 1) return undefined
  return stored as unknown as ProxyMemory
}
