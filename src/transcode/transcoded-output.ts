import type { Stream } from '../streams/stream.ts'

/** The half of an encoded stream that viewers have to do with: all of a stream but its sources. */
export type TranscodedOutput = Omit<Stream, 'request' | 'lookAtSources' | 'failover'>
