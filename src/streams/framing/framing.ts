import { AudioFramer } from './audio-framer.ts'
import { FlvFramer } from './flv-framer.ts'
import { MatroskaFramer } from './matroska-framer.ts'
import { OpaqueFramer } from './opaque-framer.ts'
import { TsFramer } from './ts-framer.ts'

/** What a continuous body is wrapped in. `opaque` bodies are passed as they come. */
export type Container = 'mpegts' | 'flv' | 'matroska' | 'adts' | 'mp3' | 'mp4' | 'ogg' | 'opaque'

export interface FrameSink {
  /**
   * Whole units. `joinOffsets` are byte offsets inside `data`, ascending, at which a new viewer can begin right behind
   * `Framer.preamble()`. Both arguments are valid during the call only: their memory is used again.
   */
  packets(data: Buffer, joinOffsets: readonly number[]): void
}

export interface FrameCounters {
  /** Bytes that were dropped because they belonged to no unit. */
  readonly skippedBytes: number
  /** Transport packets (MPEG-TS) or frames and tags that were recognised. */
  readonly units: number
  /** Breaks in a PID's continuity counter (ISO/IEC 13818-1 §2.4.3.3); 0 for other containers. */
  readonly continuityErrors: number
  /** Packets with transport_error_indicator; 0 for other containers. */
  readonly transportErrors: number
  /** Packets with transport_scrambling_control set; 0 for other containers. */
  readonly scrambledPackets: number
}

/** Cuts a body into whole units and finds where a decoder can begin. Never throws on any input; memory is bounded. */
export interface Framer {
  readonly container: Container
  /** Feeds bytes; calls `sink.packets` zero or more times before it returns. */
  push(chunk: Buffer, sink: FrameSink): void
  /**
   * What a viewer must be given before data from a join point: PAT and PMT as they were before it for MPEG-TS, the
   * header for FLV and Matroska, nothing for raw audio. Valid for the latest join point; while there was none, what is
   * known so far. The buffer is never written to again, and stays the same object while its content does.
   */
  preamble(): Buffer
  /** Whether real media was seen: tables, headers or padding alone are not. */
  readonly mediaSeen: boolean
  /** Media time delivered since the start by the stream's own clock, in ms; undefined while unknown. */
  readonly mediaMs: number | undefined
  readonly counters: FrameCounters
}

/** The framer of a container. `mp4` and `ogg` are passed as they come: whoever joins them late has to find the start. */
export function createFramer(container: Container): Framer {
  switch (container) {
    case 'mpegts':
      return new TsFramer()
    case 'flv':
      return new FlvFramer()
    case 'matroska':
      return new MatroskaFramer()
    case 'adts':
    case 'mp3':
      return new AudioFramer(container)
    case 'mp4':
    case 'ogg':
    case 'opaque':
      return new OpaqueFramer(container)
    default:
      return container satisfies never
  }
}
