import { buildStream } from '../../mpegts/analyser/stream-builder.fixture.ts'
import { readSlate } from './slate.ts'
import type { Slate } from './slate.ts'

/** What ffmpeg might have rendered: 2 s of 25 pictures a second, and sound in pieces of which 2 s are no multiple. */
export const FIXTURE_MS = 2_000
export const fixtureBytes: Buffer = Buffer.concat(buildStream({ frames: 50, gopFrames: 25 }))

export function fixtureSlate(): Slate {
  const slate = readSlate(fixtureBytes)
  if (slate === undefined) throw new Error('the fixture is no slate')
  return slate
}
