import { systemClock } from '../src/lib/clock.ts'
import { CountingClient } from './counting-client.ts'
import type { HlsViewersCommand, HlsViewersCount } from './hls-viewers.ts'

/** The process behind HlsViewers. */

interface Viewer {
  readonly client: CountingClient
  readonly url: URL
  /** The number of the next segment in the playlist. */
  next: number | undefined
  segments: number
  playlists: number
  bytes: number
  failures: number
}

interface Listed {
  readonly firstSequence: number
  readonly targetMs: number
  readonly initialisation: string | undefined
  readonly uris: readonly string[]
}

const BEHIND_SEGMENTS = 3
const RETRY_MS = 500
const viewers: Viewer[] = []
let segmentMs: number[] = []

/** Media playlists as this benchmark's servers write them. */
function listed(text: string): Listed {
  const value = (tag: string) => new RegExp(`^#${tag}:(.*)$`, 'm').exec(text)?.[1]
  return {
    firstSequence: Number(value('EXT-X-MEDIA-SEQUENCE') ?? 0),
    targetMs: Number(value('EXT-X-TARGETDURATION') ?? 2) * 1_000,
    initialisation: /URI="([^"]+)"/.exec(value('EXT-X-MAP') ?? '')?.[1],
    uris: text.split('\n').filter((line) => line !== '' && !line.startsWith('#')),
  }
}

async function watch(viewer: Viewer, delayMs: number): Promise<void> {
  await systemClock.sleep(delayMs)
  let hasInitialisation = false
  for (;;) {
    const beganMs = systemClock.nowMs()
    const before = viewer.next
    const playlist = await playlistOf(viewer)
    if (playlist === undefined) {
      await systemClock.sleep(RETRY_MS)
      continue
    }
    if (!hasInitialisation && playlist.initialisation !== undefined) await load(viewer, playlist.initialisation)
    hasInitialisation = true
    await loadFrom(viewer, playlist)
    const waitMs = before === viewer.next ? playlist.targetMs / 2 : playlist.targetMs
    await systemClock.sleep(Math.max(0, waitMs - (systemClock.nowMs() - beganMs)))
  }
}

async function playlistOf(viewer: Viewer): Promise<Listed | undefined> {
  try {
    const { status, bytes, text } = await viewer.client.get(viewer.url.pathname + viewer.url.search, true)
    viewer.bytes += bytes
    viewer.playlists += 1
    if (status === 200) return listed(text)
  } catch {
    // Counted below.
  }
  viewer.failures += 1
  return undefined
}

async function loadFrom(viewer: Viewer, { firstSequence, uris }: Listed): Promise<void> {
  const end = firstSequence + uris.length
  viewer.next ??= Math.max(firstSequence, end - BEHIND_SEGMENTS)
  if (viewer.next < firstSequence) {
    viewer.failures += firstSequence - viewer.next
    viewer.next = firstSequence
  }
  for (; viewer.next < end; viewer.next += 1) {
    const uri = uris[viewer.next - firstSequence]
    if (uri !== undefined) await load(viewer, uri)
  }
}

async function load(viewer: Viewer, uri: string): Promise<void> {
  const { pathname, search } = new URL(uri, viewer.url)
  const beganMs = systemClock.nowMs()
  try {
    const { status, bytes } = await viewer.client.get(pathname + search, false)
    viewer.bytes += bytes
    if (status !== 200) viewer.failures += 1
    else viewer.segments += 1
  } catch {
    viewer.failures += 1
  }
  segmentMs.push(systemClock.nowMs() - beganMs)
}

function open(playlists: readonly string[]): void {
  for (const [index, playlist] of playlists.entries()) {
    const url = new URL(playlist)
    const client = new CountingClient(url.hostname, Number(url.port))
    const viewer: Viewer = { client, url, next: undefined, segments: 0, playlists: 0, bytes: 0, failures: 0 }
    viewers.push(viewer)
    void watch(viewer, (index / playlists.length) * 2_000)
  }
}

function count(): HlsViewersCount {
  const sum = (of: (viewer: Viewer) => number) => viewers.reduce((total, viewer) => total + of(viewer), 0)
  const segments = viewers.map((viewer) => viewer.segments)
  const sorted = segmentMs.toSorted((left, right) => left - right)
  segmentMs = []
  return {
    bytes: sum(({ bytes }) => bytes),
    playlists: sum(({ playlists }) => playlists),
    segments: sum(({ segments: each }) => each),
    failures: sum(({ failures }) => failures),
    fewestSegments: Math.min(...segments),
    mostSegments: Math.max(...segments),
    segmentMsMedian: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN,
    segmentMs99: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
  }
}

process.on('disconnect', () => process.exit(0))
process.on('message', (message) => {
  const command = message as HlsViewersCommand
  if (command.kind === 'open') open(command.playlists)
  process.send?.(count())
})
