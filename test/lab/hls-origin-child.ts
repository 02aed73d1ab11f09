import { errorMessage } from '../../src/lib/errors.ts'
import { loadTsMedia } from './hls-media.ts'
import type { HlsOriginCommand, HlsOriginReport } from './hls-origin-process.ts'
import { HlsOrigin } from './hls-origin.ts'

/** The process behind HlsOriginProcess: does what it is told over its parent's channel and ends with its parent. */

let started: HlsOrigin | undefined

async function obey(command: HlsOriginCommand): Promise<HlsOriginReport> {
  if (command.kind === 'start') {
    const { segmentMs, videoKbps, ...options } = command.options
    const media = await loadTsMedia({
      ...options,
      ...(segmentMs === undefined ? {} : { segmentMs }),
      ...(videoKbps === undefined ? {} : { videoKbps }),
    })
    started = await HlsOrigin.start({ renditions: [{ name: 'main', media }] })
    return { kind: 'started', url: started.url }
  }
  if (started === undefined) throw new Error('there is no origin yet')
  if (command.kind === 'forget') {
    started.requests.length = 0
    return { kind: 'done' }
  }
  const counts = [...started.segmentCounts().values()]
  return {
    kind: 'counts',
    counts: {
      playlists: started.countOf('playlist'),
      segmentRequests: started.countOf('segment'),
      segments: counts.length,
      mostForOne: Math.max(0, ...counts),
    },
  }
}

process.on('disconnect', () => process.exit(0))
process.on('message', (message) => {
  obey(message as HlsOriginCommand).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      process.stderr.write(`${errorMessage(error)}\n`)
      process.exit(1)
    },
  )
})
