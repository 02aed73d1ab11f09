import type { SourceReader, SourceResponseHandler, SourceTransport } from './http-client.ts'

const MAGIC = '#EXTM3U'
/** A byte order mark and blank lines may stand before it. */
const LOOKED_AT_BYTES = 64

/**
 * A transport that reads a source with `whole`, unless what it answers turns out to be an HLS playlist, whatever its
 * address looks like: then that connection is closed and the source is read with `playlist`.
 */
export function playlistAware(whole: SourceTransport, playlist: SourceTransport): SourceTransport {
  return (request, handler, network) => {
    let current: SourceReader | undefined
    let isPaused = false
    let isClosed = false
    const change = () => {
      current?.close()
      if (isClosed) return
      current = playlist(request, handler, network)
      if (isPaused) current.pause()
    }
    current = whole(request, lookingAtFirstBytes(handler, change), network)
    return {
      close: () => {
        isClosed = true
        current?.close()
      },
      pause: () => {
        isPaused = true
        current?.pause()
      },
      resume: () => {
        isPaused = false
        current?.resume()
      },
    }
  }
}

/** Passes everything on, and calls `onPlaylist` in place of the first bytes when they begin a playlist. */
function lookingAtFirstBytes(handler: SourceResponseHandler, onPlaylist: () => void): SourceResponseHandler {
  let hasLooked = false
  let isPlaylist = false
  return {
    onHead: (head) => handler.onHead(head),
    onData: (chunk) => {
      if (isPlaylist) return true
      if (!hasLooked) {
        hasLooked = true
        isPlaylist = chunk.toString('utf8', 0, LOOKED_AT_BYTES).replace('\uFEFF', '').trimStart().startsWith(MAGIC)
        if (isPlaylist) {
          // Not in the middle of the connection's own call.
          queueMicrotask(onPlaylist)
          return true
        }
      }
      return handler.onData(chunk)
    },
    onEnd: () => {
      if (!isPlaylist) handler.onEnd()
    },
    onFailure: (failure) => {
      if (!isPlaylist) handler.onFailure(failure)
    },
  }
}
