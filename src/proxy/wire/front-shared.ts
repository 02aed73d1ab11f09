import type { Socket } from 'node:net'
import type { FrontOptions } from './front-options.ts'
import type { WriteBatch } from './write-batch.ts'
import type { TimerWheel } from './timer-wheel.ts'

/** What the connections of a server share. */
export interface FrontShared {
  readonly options: FrontOptions
  readonly wheel: TimerWheel
  readonly batch: WriteBatch
  isClosing(): boolean
  /** A connection switched protocols: its socket is somebody else's, and still one of the server's. */
  onSwitched(socket: Socket): void
}
